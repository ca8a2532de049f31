import ArgumentParser
import Checkpoints
import CompletionsAPI
import Engine
import InferenceTypes
import Logging
import Tokenization

/// `needletail bench engine`: prompts and decoding in tokens a second, as llama.cpp's own bench counts them, beside the
/// roofline measured in the same seconds.
struct BenchEngineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine", abstract: "Prompts and decoding, in tokens a second and beside the roofline.",
        discussion: """
            Each prompt alone, from the request to its first token. Decoding: -b streams that all have --context-fill \
            tokens, the mean of -n steps; greedy, head projection for every row. Scheduler, sampler and detokeniser count. \
            The measurements take turns, --repeat times.
            """)

    @OptionGroup var modelOptions: ModelOptions

    @Option(name: [.short, .customLong("prompt-tokens")], help: "Lengths of the prompts; 0 for none.")
    var promptTokens = CountList([256, 512])

    @Option(name: [.customShort("n"), .long], help: "Steps of decoding that are timed.")
    var steps = 32

    @Option(name: [.customShort("b"), .long], help: "Streams that decode together; 0 for none.")
    var batch = CountList([1, 2, 4, 8, 16, 32])

    @Option(help: "Tokens that each stream has when its decoding is timed.")
    var contextFill = 128

    @Option(help: "Measurements of each row; their median, p10 and p90 are printed.")
    var `repeat` = 5

    @Option(
        help: """
            Instead: -b clients, each with one request after the other of P tokens in and N out, as P,N; the work of \
            'bench serve' without HTTP.
            """)
    var clients: CountList?

    @Option(help: "Requests of each client, with --clients.")
    var requestsPerClient = 4

    @Option(help: "Memory that is read to measure its bandwidth, in MiB.")
    var rooflineMib = RooflineProbe.standardMebibytes

    @Flag(help: "A document instead of a table.")
    var json = false

    func validate() throws {
        try promptTokens.check("-p", 0...1_048_576)
        try check("-n", steps, 1...65_536)
        try batch.check("-b", 0...4096)
        try check("--context-fill", contextFill, 1...1_048_576)
        try check("--repeat", `repeat`, 1...1000)
        try check("--requests-per-client", requestsPerClient, 1...10_000)
        try check("--roofline-mib", rooflineMib, 1...65_536)
        if let clients {
            guard clients.counts.count == 2 else { throw ValidationError("--clients takes two numbers, as 128,48") }
            try clients.check("--clients", 1...1_048_576)
        }
        guard !rows.isEmpty else { throw ValidationError("nothing to measure: -p and -b are 0") }
    }

    func run() async throws {
        let report = try await report()
        Console.put(json ? JSONWriter.bytes(of: report.document) + [0x0A] : Array(report.text.utf8))
    }

    /// Measures.
    func report() async throws -> BenchEngineReport {
        let started = ContinuousClock.now
        let model = try LoadedModel(try sizedOptions())
        let (steps, log) = AsyncStream.makeStream(of: BenchStep.self)
        let engine = try await model.startEngine(logger: Logger(label: "needletail"), steps: log)
        let ready = (ContinuousClock.now - started) / .seconds(1)
        let cost = BenchModelCost(model.checkpoint)
        var report = BenchEngineReport(
            machine: .current(threadCount: model.threadCount), model: BenchModel(model, cost), cost: cost,
            readySeconds: ready, residentByteCount: ProcessMemory.residentByteCount,
            cacheByteCount: model.memoryPlan.cache, keyValueByteCount: Self.keyValueByteCount(model),
            explanation: explanation)
        let probe = RooflineProbe(
            mebibytes: rooflineMib, threadCount: model.threadCount, units: Array(Set([cost.unit, .fp32])))
        var runs = BenchEngineRuns(
            engine, steps: steps, vocabularyCount: model.tokenizer.vocabularyCount,
            maxBatchTokens: model.engineConfiguration.maxBatchTokens)
        report.results = try await measure(&runs, probe)
        await engine.drain()
        return report
    }

    /// What each row of the table is.
    var rows: [BenchEngineReport.Row] {
        let streamCounts = batch.counts.filter { $0 > 0 }
        if let clients {
            return streamCounts.map {
                .clients(
                    count: $0, requestCount: $0 * requestsPerClient, promptCount: clients.counts[0],
                    maxTokens: clients.counts[1])
            }
        }
        return promptTokens.counts.filter { $0 > 0 }.map { .prompt(tokenCount: $0) }
            + streamCounts.map { .decode(streamCount: $0, contextCount: contextFill, stepCount: steps) }
    }

    private var explanation: String {
        clients == nil
            ? "prompt: request to first token; decode: mean of \(steps) steps from context \(contextFill) on, all streams "
                + "in each; greedy; scheduler, head for each decoded row, sampler, detokeniser and events included; median "
                + "of \(`repeat`), in turns"
            : "clients: one request after the other each, tokens out by the time from the first request to the last end; "
                + "median of \(`repeat`), in turns"
    }

    private func measure(
        _ runs: inout BenchEngineRuns, _ probe: RooflineProbe
    ) async throws -> [BenchEngineReport.Result] {
        var results = rows.map { BenchEngineReport.Result(row: $0) }
        // What the first run of each pays for is not what a server pays.
        for row in rows { _ = try await row.seconds(&runs) }
        var before = probe.measure()
        for _ in 0..<`repeat` {
            for index in results.indices {
                let seconds = try await results[index].row.seconds(&runs)
                let after = probe.measure()
                results[index].samples.append(.init(seconds: seconds, before: before, after: after))
                before = after
            }
        }
        return results
    }
}

// MARK: - Sizes

extension BenchEngineCommand {
    /// A KV cache that all streams fit into, nothing found computed before, prompts as whole as a step can take them.
    private func sizedOptions() throws -> ModelOptions {
        var options = modelOptions
        options.scheduling.prefixCache = false
        options.maxRunning = max(options.maxRunning, batch.most)
        options.maxWaiting = max(options.maxWaiting, batch.most)
        options.scheduling.maxQueueSeconds = 0
        options.scheduling.maxWaitingTokens = 1 << 30
        if clients == nil, options.scheduling.stepStretch == nil, options.scheduling.stepTargetMs == nil {
            options.scheduling.stepTargetMs = 0
        }
        options.maxBatchTokens = max(options.maxBatchTokens, batch.most)
        let most = rows.map { $0.sequenceTokenCount(maxBatchTokens: options.maxBatchTokens) }.max() ?? 1
        let model = try LoadedModel(options)
        let own = model.checkpoint.configuration.contextCount
        guard most <= own else {
            throw StartError("the bench needs sequences of \(most) tokens; the model has \(own) positions")
        }
        options.context = options.context ?? most
        guard options.kvCacheMib == nil else { return options }
        let sizes = model.engineConfiguration
        let blockByteCount = model.memoryPlan.cache / max(1, sizes.blockCount)
        let blocks = rows.map {
            let tokens = $0.sequenceTokenCount(maxBatchTokens: options.maxBatchTokens)
            return $0.sequenceCount * ((tokens + sizes.blockSize - 1) / sizes.blockSize + 1)
        }
        options.kvCacheMib = (blocks.max() ?? 1) * blockByteCount / (1 << 20) + 1
        return options
    }

    /// Bytes of K and V that each token of a context takes.
    private static func keyValueByteCount(_ model: LoadedModel) -> Int {
        let sizes = model.engineConfiguration
        return model.memoryPlan.cache / max(1, sizes.blockCount * sizes.blockSize)
    }
}
