import Engine
import InferenceTypes

/// Runs requests on an engine and times them. The whole path counts: mailbox, scheduler, kernels, sampler, detokeniser,
/// events. Greedy, nothing ends early, no prompt is like another.
struct BenchEngineRuns {
    private let engine: GenerationEngine
    private let vocabularyCount: Int
    /// Tokens that one step computes.
    private let maxBatchTokens: Int
    private var promptNumber = 0
    /// What the engine says when it begins a step.
    private var steps: AsyncStream<BenchStep>.Iterator
    private var readStepCount = 0

    init(
        _ engine: GenerationEngine, steps: AsyncStream<BenchStep>, vocabularyCount: Int, maxBatchTokens: Int
    ) {
        self.engine = engine
        self.steps = steps.makeAsyncIterator()
        self.vocabularyCount = vocabularyCount
        self.maxBatchTokens = maxBatchTokens
    }

    private mutating func request(tokenCount: Int, maxTokens: Int) -> GenerationRequest {
        promptNumber += 1
        let prompt = (0..<tokenCount).map { position in
            TokenID((promptNumber &* 7919 &+ position &* 104_729 &+ position &* position) % vocabularyCount)
        }
        return GenerationRequest(
            promptTokens: prompt, mode: .sampling(SamplingParameters(temperature: 0), choices: 0..<1),
            stop: StopConditions(maxTokens: maxTokens))
    }

    /// Seconds from a prompt to its first token.
    mutating func prompt(tokenCount: Int) async throws -> Double {
        let request = request(tokenCount: tokenCount, maxTokens: 1)
        let started = ContinuousClock.now
        try await Self.listen(to: try engine.generate(request))
        return (ContinuousClock.now - started) / .seconds(1)
    }

    /// Ends with the generation.
    ///
    /// - Parameter onToken: called with the number of tokens that were heard.
    private static func listen(to generation: Generation, onToken: (Int) -> Void = { _ in }) async throws {
        var count = 0
        for await event in generation.events {
            switch event {
            case .delta(let delta) where !delta.tokens.isEmpty:
                count += delta.tokens.count
                onToken(count)
            case .finished(let choice): try check(choice)
            default: break
            }
        }
    }

    private static func check(_ choice: FinishedChoice) throws {
        switch choice.reason {
        case .length, .cancelled: return
        default: throw StartError("a request of the bench ended with \(choice.reason)")
        }
    }
}

// MARK: - Decoding

extension BenchEngineRuns {
    /// Tokens that the first streams need beyond what is measured: they decode while the last prompts are computed.
    static func slackTokens(streamCount: Int, contextCount: Int, maxBatchTokens: Int) -> Int {
        2 * streamCount * contextCount / maxBatchTokens + streamCount + 32
    }

    /// Attempts of a run whose prompts took more steps than expected: requests are posted while the engine runs.
    private static let attemptCount = 8

    /// Mean seconds of the steps in which all streams decode, each from `contextCount` tokens on.
    mutating func decode(streamCount: Int, contextCount: Int, stepCount: Int) async throws -> Double {
        let slack = Self.slackTokens(
            streamCount: streamCount, contextCount: contextCount, maxBatchTokens: maxBatchTokens)
        for _ in 0..<Self.attemptCount {
            let steps = try await decode(streamCount, contextCount, stepCount: stepCount, slack: slack)
            if let time = BenchStep.meanTime(steps, streamCount: streamCount, count: stepCount) { return time / 1e9 }
        }
        throw StartError(
            "the prompts took more than \(slack) steps; set --step-target-ms 0 or a larger --max-batch-tokens")
    }

    /// - Returns: the steps that were taken.
    private mutating func decode(
        _ streamCount: Int, _ contextCount: Int, stepCount: Int, slack: Int
    ) async throws -> [BenchStep] {
        _ = await takenSteps()
        var generations: [Generation] = []
        for _ in 0..<streamCount {
            let request = request(tokenCount: contextCount, maxTokens: stepCount + slack)
            generations.append(try engine.generate(request))
        }
        // The last one's prompt is the last to be computed, so that all decode while it does; after one step more than are
        // timed, it is enough. Nobody listens to the others meanwhile: their events wait.
        try await Self.listen(to: generations[streamCount - 1]) { count in
            if count == stepCount + 2 { for generation in generations { generation.cancel() } }
        }
        for generation in generations.dropLast() { try await Self.listen(to: generation) }
        return await takenSteps()
    }

    /// The steps since the last call. For an engine without requests.
    private mutating func takenSteps() async -> [BenchStep] {
        let count = engine.statistics.stepCount
        var taken: [BenchStep] = []
        while readStepCount < count, let step = await steps.next() {
            taken.append(step)
            readStepCount += 1
        }
        return taken
    }
}

// MARK: - Clients

extension BenchEngineRuns {
    /// Seconds that so many clients take, each with one request after the other: what `bench serve` does, without HTTP.
    mutating func clients(
        count: Int, requestCount: Int, promptCount: Int, maxTokens: Int
    ) async throws -> Double {
        let requests = (0..<requestCount).map { _ in request(tokenCount: promptCount, maxTokens: maxTokens) }
        let started = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { [engine] group in
            var rest = requests[...]
            func next() {
                guard let request = rest.popFirst() else { return }
                group.addTask { try await Self.listen(to: try engine.generate(request)) }
            }
            for _ in 0..<count { next() }
            while try await group.next() != nil { next() }
        }
        return (ContinuousClock.now - started) / .seconds(1)
    }
}
