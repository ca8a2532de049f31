import Checkpoints
import Engine
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
    let threadCount: Int
    /// Beams of one request at most.
    let maxBeamCount: Int
    /// Logprobs of one position at most.
    let maxLogprobs: Int

    /// Opens files and reads the tokeniser; touches no weight.
    ///
    /// - Throws: `StartError` with the file, the section and what was expected.
    init(_ options: ModelOptions) throws(StartError) {
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
        engineConfiguration = try Self.sizes(options, checkpoint)
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

    private static func defaultCache(_ estimate: MemoryEstimate) -> Int {
        let several = min(estimate.contextByteCount * defaultContextCount, defaultCacheByteCount)
        return min(max(several, estimate.contextByteCount), MachineLimits.memoryByteCount / 4)
    }

    private static func sizes(_ options: ModelOptions, _ checkpoint: Checkpoint) throws(StartError)
        -> EngineConfiguration
    {
        let own = checkpoint.configuration.contextCount
        if let wanted = options.context, wanted > own {
            throw StartError("--context \(wanted) is more than the model's \(own) positions")
        }
        var configuration = EngineConfiguration(
            blockCount: 0, contextCount: options.context ?? own, maxBatchTokens: options.maxBatchTokens,
            maxRunningSequences: options.maxRunning, maxWaitingRequests: options.maxWaiting)
        let estimate = MemoryEstimate(
            checkpoint, contextCount: configuration.contextCount, blockSize: configuration.blockSize)
        let wanted =
            options.kvCacheMib.map { $0 << 20 } ?? defaultCache(estimate)
        guard wanted <= MachineLimits.memoryByteCount else {
            throw StartError(
                "a KV cache of \(Readable.bytes(wanted)) is more than the memory of "
                    + Readable.bytes(MachineLimits.memoryByteCount))
        }
        configuration.blockCount = wanted / estimate.blockByteCount
        guard configuration.blockCount > 0 else {
            throw StartError(
                "the KV cache needs at least one block of \(Readable.bytes(estimate.blockByteCount)); "
                    + "\(Readable.bytes(wanted)) are not enough")
        }
        return configuration
    }

    /// Tokens that one request can have: its context, or the whole KV cache where that is smaller.
    var contextCount: Int { engineConfiguration.maxSequenceTokens }

    /// Allocates, starts the threads, and returns when the first step may come.
    func startEngine(logger: Logger) async throws(StartError) -> GenerationEngine {
        let capacity = RunnerCapacity(
            tokenCount: engineConfiguration.maxBatchTokens, logitsCount: engineConfiguration.maxLogitsCount,
            contextCount: contextCount, blockCount: engineConfiguration.blockCount,
            blockSize: engineConfiguration.blockSize)
        do {
            return try await GenerationEngine(
                configuration: engineConfiguration, tokenizer: tokenizer, logger: logger
            ) { [checkpoint, threadCount] in
                let runner = try ModelRunner(checkpoint, capacity: capacity, threadCount: threadCount)
                return { plan in runner.forward(plan) }
            }
        } catch {
            throw StartError("cannot start the engine: \(error)")
        }
    }

    /// One line for the progress on standard error.
    var summary: String {
        let configuration = checkpoint.configuration
        return "\(checkpoint.fileName): \(configuration.family.rawValue), \(checkpoint.format), "
            + "\(Readable.bytes(checkpoint.weights.totalByteCount)) of weights, context \(contextCount), "
            + "\(tokenizer.summary)"
    }
}
