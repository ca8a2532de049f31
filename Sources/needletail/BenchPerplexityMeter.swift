import Checkpoints
import Engine
import Glibc
import InferenceTypes
import Logging
import Sampling
import Tokenization
import Transformer

/// How likely a model found the tokens of a text.
struct PerplexityScore: Sendable, Equatable {
    /// Scored tokens.
    private(set) var tokenCount = 0
    /// Tokens that went through the model.
    fileprivate(set) var computedTokenCount = 0
    fileprivate(set) var seconds = 0.0
    /// Sum of −ln p, and of its square.
    private(set) var nats = 0.0
    private var squares = 0.0

    init() {}

    mutating func add(nats value: Double) {
        tokenCount += 1
        nats += value
        squares += value * value
    }

    var natsPerToken: Double { nats / Double(tokenCount) }
    var perplexity: Double { exp(natsPerToken) }
    var bitsPerToken: Double { natsPerToken / M_LN2 }
    var tokensPerSecond: Double { Double(computedTokenCount) / seconds }

    /// Of the nats per token, as if tokens were drawn independently, which llama.cpp's tool does too; nil for one token.
    var standardError: Double? {
        guard tokenCount > 1 else { return nil }
        let variance = squares / Double(tokenCount) - natsPerToken * natsPerToken
        return (max(0, variance) / Double(tokenCount - 1)).squareRoot()
    }

    /// Of the perplexity, to first order.
    var perplexityError: Double? { standardError.map { $0 * perplexity } }
}

/// Puts a text through a model, and asks at each place how likely what follows was.
///
/// Windows go through `ModelRunner` as rows of one batch: a row has one answer, whatever it shares a step with.
struct PerplexityMeter {
    private let runner: ModelRunner
    private let windows: PerplexityWindows
    private let capacity: RunnerCapacity
    /// In place of a window's first token.
    private let firstToken: TokenID?
    private let tableLength: Int
    private let windowsAtOnce: Int

    /// - Throws: `StartError` where the memory is not enough.
    init(_ model: LoadedModel, _ windows: PerplexityWindows) throws(StartError) {
        let sizes = model.engineConfiguration
        tableLength = (windows.contextCount + sizes.blockSize - 1) / sizes.blockSize
        guard tableLength <= sizes.blockCount else {
            throw StartError(
                "the KV cache has room for \(sizes.blockCount * sizes.blockSize) tokens, and a window has "
                    + "\(windows.contextCount): lower --context or raise --kv-cache-mib")
        }
        let tokenCount = min(sizes.maxBatchTokens, Self.logitsCount(model.checkpoint.configuration))
        windowsAtOnce = max(1, min(tokenCount / windows.contextCount, sizes.blockCount / tableLength))
        capacity = RunnerCapacity(
            tokenCount: tokenCount, logitsCount: tokenCount, contextCount: windows.contextCount,
            blockCount: windowsAtOnce * tableLength, blockSize: sizes.blockSize)
        self.windows = windows
        let tokenizer = model.tokenizer
        firstToken =
            windows.scored == .secondHalf && tokenizer.addsBeginOfSequence ? tokenizer.beginOfSequence : nil
        runner = try model.makeRunner(capacity)
    }

    /// - Source: a quarter of a gigabyte of logits: 512 rows of a vocabulary of 128 k.
    private static let maxLogitsByteCount = 256 << 20

    private static func logitsCount(_ configuration: ModelConfiguration) -> Int {
        max(1, maxLogitsByteCount / (configuration.vocabularyCount * MemoryLayout<Float>.stride))
    }

    /// Lets somebody hear what products read.
    ///
    /// - Requires: everything is computed in floats.
    func observe(_ observer: @escaping ProjectionObserver) { runner.observe(observer) }

    /// - Parameters:
    ///   - some: of a text's windows, those to score.
    ///   - report: hears how many of them are done.
    /// - Throws: `StartError` where the model's scores are no numbers.
    func score(
        _ tokens: [TokenID], _ some: [PerplexityWindow], report: (Int) -> Void = { _ in }
    ) throws(StartError) -> PerplexityScore {
        let started = ContinuousClock.now
        var score = PerplexityScore()
        for first in stride(from: 0, to: some.count, by: windowsAtOnce) {
            report(first)
            try add(some[first..<min(first + windowsAtOnce, some.count)], of: tokens, to: &score)
        }
        score.seconds = (ContinuousClock.now - started) / .seconds(1)
        return score
    }

    /// Windows that fit into a step together, or one in several steps.
    private func add(
        _ group: ArraySlice<PerplexityWindow>, of tokens: [TokenID], to score: inout PerplexityScore
    ) throws(StartError) {
        for start in stride(from: 0, to: windows.contextCount, by: capacity.tokenCount) {
            var plan = BatchPlan()
            var places: [Int] = []
            for (index, window) in group.enumerated() where start < window.tokens.count {
                let range = start..<min(start + capacity.tokenCount, window.tokens.count)
                places += append(window, range, of: tokens, slot: index, to: &plan)
            }
            guard !plan.isEmpty else { continue }
            score.computedTokenCount += plan.tokenCount
            let logits = runner.forward(plan)
            for (row, place) in places.enumerated() {
                score.add(nats: try Self.nats(of: tokens[place], in: logits.row(row), at: place))
            }
        }
    }

    /// - Returns: the places in the text that the plan's logits are about.
    private func append(
        _ window: PerplexityWindow, _ range: Range<Int>, of tokens: [TokenID], slot: Int, to plan: inout BatchPlan
    ) -> Range<Int> {
        var own = Array(tokens[window.tokens])
        if let firstToken { own[0] = firstToken }
        let start = window.tokens.lowerBound
        // A token is scored by what stands before it.
        let wanted = (window.scored.lowerBound - start - 1..<window.scored.upperBound - start - 1).clamped(to: range)
        plan.appendRow(
            tokens: own, range: range,
            blockTable: (0..<tableLength).map { Int32(slot * tableLength + $0) }, blockSize: capacity.blockSize,
            wantsLogits: wanted)
        return wanted.lowerBound + start + 1..<wanted.upperBound + start + 1
    }

    /// −ln p: the exponentials in floats, their sum and all else in doubles.
    private static func nats(
        of token: TokenID, in row: UnsafeBufferPointer<Float>, at place: Int
    ) throws(StartError) -> Double {
        guard let maximum = ScoreRow(row).maximum else {
            throw StartError("the model's scores for token \(place) of the text are no numbers")
        }
        return Logprobs.normalizer(row, maximum: maximum) - (Double(row[Int(token)]) - Double(maximum))
    }
}

extension LoadedModel {
    /// Weights and a forward pass of one's own, without the engine around it.
    ///
    /// - Throws: `StartError`, before anything is allocated, where the memory is not enough.
    func makeRunner(_ capacity: RunnerCapacity) throws(StartError) -> ModelRunner {
        let plan = MemoryPlan(
            weights: memoryEstimate.weightByteCount, cache: memoryEstimate.blockByteCount * capacity.blockCount,
            working: MemoryEstimate.workingByteCount(
                checkpoint.configuration, capacity, precision, threadCount: threadCount))
        try plan.check(memory: memory)
        do {
            return try loadWeights(capacity, Logger(label: "needletail"))
        } catch { throw StartError("cannot load the model: \(error)") }
    }
}
