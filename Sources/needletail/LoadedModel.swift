import Checkpoints
import Engine
import InferenceTypes
import Kernels
import Logging
import StoryModel
import Tokenization
import Transformer

/// A model that is open: its description, its tokeniser, and the sizes that it will be served with.
struct LoadedModel: Sendable {
    /// The name that clients ask for.
    let name: String
    let checkpoint: Checkpoint
    let tokenizer: Tokenizer
    let engineConfiguration: EngineConfiguration
    let memoryPlan: MemoryPlan
    let memoryEstimate: MemoryEstimate
    /// Bytes that the program may use.
    let memory: Int
    let threadCount: Int
    let precision: ModelPrecision
    /// Nil for the best.
    let instructionSet: InstructionSet?
    /// Nil keeps no packed weights.
    let packedCache: PackedCacheLocation?
    /// Beams of one request at most.
    let maxBeamCount: Int
    /// Logprobs of one position at most.
    let maxLogprobs: Int

    /// Opens files and reads the tokeniser; touches no weight, and does not ask whether there is memory to serve it.
    ///
    /// - Parameter memory: bytes that the program may use.
    /// - Throws: `StartError` with the file, the section and what was expected.
    init(_ options: ModelOptions, memory: Int = MachineLimits.memoryByteCount) throws(StartError) {
        packedCache = try options.packedCache.location(model: options.model)
        do throws(CheckpointError) { checkpoint = try Self.openCheckpoint(options.model) } catch {
            throw StartError("cannot open the model: \(error)")
        }
        do throws(TokenizerError) { tokenizer = try Tokenizer(checkpoint.tokenizer) } catch {
            throw StartError("cannot read the tokeniser of \(checkpoint.fileName): \(error)")
        }
        let rows = checkpoint.configuration.vocabularyCount
        guard tokenizer.vocabularyCount <= rows else {
            throw StartError(
                "\(checkpoint.fileName): the tokeniser has \(tokenizer.vocabularyCount) tokens, the embedding \(rows) rows"
            )
        }
        name = options.modelName ?? (options.model == nil ? Self.storyName : checkpoint.configuration.name)
        threadCount = options.threads ?? MachineLimits.processorCount
        maxBeamCount = options.maxNumBeams
        maxLogprobs = options.maxLogprobs
        self.memory = memory
        instructionSet = options.arithmetic.instructionSet
        precision = try options.arithmetic.precision(checkpoint.configuration, blockSize: options.blockSize)
        (engineConfiguration, memoryPlan, memoryEstimate) = try Self.sizes(
            options, checkpoint, precision, threadCount, memory)
    }

    /// Name of the embedded model.
    static let storyName = "story"

    private static func openCheckpoint(_ path: String?) throws(CheckpointError) -> Checkpoint {
        if let path { return try Checkpoint.open(path: path) }
        let file = nt_story_model()
        return try Checkpoint.open(
            embedded: UnsafeRawBufferPointer(start: file.bytes, count: file.count), name: "\(storyName).gguf")
    }

    /// Full contexts that the KV cache has room for by default. Most requests end long before their context does, so that
    /// these serve several times as many sequences.
    private static let defaultContextCount = 16
    /// What these take at most, unless one context takes more: the cache is touched at start, which should stay quick.
    private static let defaultCacheByteCount = 512 << 20

    /// Within a quarter of the memory and what the rest leaves of it, but one block, which then does not fit.
    private static func defaultCache(_ estimate: MemoryEstimate, _ memory: Int, room: Int) -> Int {
        let several = min(estimate.contextByteCount * defaultContextCount, defaultCacheByteCount)
        let wanted = min(max(several, estimate.contextByteCount), memory / 4, room)
        return max(wanted, estimate.blockByteCount)
    }

    private static func estimate(
        _ checkpoint: Checkpoint, _ sizes: EngineConfiguration, _ precision: ModelPrecision
    ) throws(StartError) -> MemoryEstimate {
        do throws(CheckpointError) {
            return try MemoryEstimate(
                checkpoint, contextCount: sizes.contextCount, blockSize: sizes.blockSize, precision: precision)
        } catch {
            throw StartError("cannot pack the weights: \(error)")
        }
    }

    private static func sizes(
        _ options: ModelOptions, _ checkpoint: Checkpoint, _ precision: ModelPrecision, _ threadCount: Int,
        _ memory: Int
    ) throws(StartError) -> (EngineConfiguration, MemoryPlan, MemoryEstimate) {
        let own = checkpoint.configuration.contextCount
        if let wanted = options.context, wanted > own {
            throw StartError("--context \(wanted) is more than the model's \(own) positions")
        }
        var configuration = EngineConfiguration(
            blockSize: options.blockSize, blockCount: 0, contextCount: options.context ?? own,
            maxBatchTokens: options.maxBatchTokens, maxRunningSequences: options.maxRunning,
            maxWaitingRequests: options.maxWaiting)
        options.scheduling.apply(to: &configuration)
        let estimate = try estimate(checkpoint, configuration, precision)
        if let type = precision.quantize, estimate.quantizedMatrixCount == 0 {
            throw StartError(
                "--quantize \(type.name.lowercased()): \(checkpoint.fileName) has no matrix of floats to quantise")
        }
        // For the longest sequence: a smaller cache bounds it further.
        var plan = MemoryPlan(
            weights: estimate.weightByteCount, cache: 0,
            working: MemoryEstimate.workingByteCount(
                checkpoint.configuration, RunnerCapacity(configuration, contextCount: configuration.contextCount),
                precision, threadCount: threadCount))
        let wanted =
            options.kvCacheMib.map { $0 << 20 } ?? defaultCache(estimate, memory, room: plan.room(in: memory))
        configuration.blockCount = wanted / estimate.blockByteCount
        guard configuration.blockCount > 0 else {
            throw StartError(
                "the KV cache needs at least one block of \(Readable.bytes(estimate.blockByteCount)); "
                    + "\(Readable.bytes(wanted)) are not enough")
        }
        plan.cache = configuration.blockCount * estimate.blockByteCount
        return (configuration, plan, estimate)
    }

    /// Tokens that one request can have: its context, or the whole KV cache where that is smaller.
    var contextCount: Int { engineConfiguration.maxSequenceTokens }

    /// Allocates, packs the weights, starts the threads, and returns when the first step may come.
    ///
    /// - Parameter observe: hears of each step before it is computed, on the engine's thread.
    /// - Throws: `StartError`, before anything is allocated, where the memory is not enough.
    func startEngine(
        logger: Logger, observe: @escaping @Sendable (BatchPlan) -> Void = { _ in }
    ) async throws(StartError) -> GenerationEngine {
        try memoryPlan.check(memory: memory)
        let capacity = RunnerCapacity(engineConfiguration, contextCount: contextCount)
        do {
            return try await GenerationEngine(
                configuration: engineConfiguration, tokenizer: tokenizer, logger: logger
            ) { [self] in
                let runner = try loadWeights(capacity, logger)
                return { plan in
                    observe(plan)
                    return runner.forward(plan)
                }
            }
        } catch {
            throw StartError("cannot start the engine: \(error)")
        }
    }

    /// Weights and a forward pass, without the engine around it.
    ///
    /// - Throws: `CheckpointError`, `WorkersError`.
    func loadWeights(_ capacity: RunnerCapacity, _ logger: Logger) throws -> ModelRunner {
        let line = WeightLoadingLine(logger)
        defer { line.clear() }
        let runner = try ModelRunner(
            checkpoint, capacity: capacity, threadCount: threadCount, precision: precision,
            instructionSet: instructionSet, loading: WeightLoading(cache: packedCache, report: line.take))
        if let text = line.finish() { Console.say(text) }
        return runner
    }

    /// One line for the progress on standard error.
    var summary: String {
        let configuration = checkpoint.configuration
        return "\(checkpoint.fileName): \(configuration.family.rawValue), \(checkpoint.format), "
            + "\(Readable.bytes(checkpoint.weights.totalByteCount)) of weights, context \(contextCount), "
            + "\(tokenizer.summary)"
    }

    /// The KV cache's settings, for metrics.
    var cacheLabels: [(String, String)] {
        let sizes = engineConfiguration
        return [
            ("block_size", "\(sizes.blockSize)"), ("num_blocks", "\(sizes.blockCount)"),
            ("cache_dtype", precision.cache.rawValue), ("enable_prefix_caching", "\(sizes.cachesPrefixes)"),
        ]
    }

    private var features: String { (instructionSet ?? .best).rawValue }

    /// What was derived from the options, the model and the machine, as two lines.
    var sizes: [String] {
        let sizes = engineConfiguration
        let pace =
            switch sizes.pacing {
            case .relative(let factor): "within \(Readable.number(factor)) × a step without prompts"
            case .absolute(let target): "within \(Readable.number(target / .milliseconds(1))) ms"
            case .unlimited: "whatever it takes"
            }
        let patience = sizes.maxQueueTime.map { "for \($0.components.seconds) s" } ?? "for ever"
        let quantized = precision.quantize.map {
            [
                "\(memoryEstimate.quantizedMatrixCount) matrices of floats are quantised to \($0.name) while they are packed"
            ]
        }
        return (quantized ?? []) + [
            "KV cache of \(sizes.blockCount) blocks × \(sizes.blockSize) tokens in \(precision.cache.rawValue) = "
                + "\(Readable.bytes(memoryPlan.cache)), prefixes \(sizes.cachesPrefixes ? "kept" : "not kept"); steps of up "
                + "to \(sizes.maxBatchTokens) tokens, \(sizes.maxRunningSequences) sequences, \(pace)",
            "up to \(sizes.maxWaitingRequests) requests or \(sizes.maxWaitingTokens) prompt tokens wait, \(patience), "
                + "each overtaken \(sizes.maxOvertakes) times at most; \(threadCount) threads of \(features), "
                + "\(Readable.bytes(memoryPlan.total)) in all",
        ]
    }
}

extension RunnerCapacity {
    /// - Parameter contextCount: positions of the longest sequence.
    fileprivate init(_ sizes: EngineConfiguration, contextCount: Int) {
        self.init(
            tokenCount: sizes.maxBatchTokens, logitsCount: sizes.maxLogitsCount, contextCount: contextCount,
            blockCount: sizes.blockCount, blockSize: sizes.blockSize)
    }
}
