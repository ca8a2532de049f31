import InferenceTypes

/// What one simulated life of an engine is like: its sizes, who comes, and what goes wrong. All of it from random numbers,
/// the corners more often than the middle.
struct SimulationScenario {
    let configuration: EngineConfiguration
    /// Steps until it is told to drain or to stop.
    let stepCount: Int
    let endsByStop: Bool
    /// Chances in a thousand, for each step.
    let arrivalPermille: Int
    let burstPermille: Int
    let cancelPermille: Int
    let failurePermille: Int
    let jumpPermille: Int
    /// One patient request, and after it nothing but urgent prompts that fill a step each.
    let isFlood: Bool
    /// Texts that prompts begin with.
    private let documents: [[TokenID]]

    init(_ random: inout SimulationRandom) {
        let blockSize = random.pick([1, 1, 2, 3, 4, 4, 5, 7, 8, 16])
        let blockCount = random.pick([1, 2, 3, 5, 8, 8, 13, 21, 34, 64])
        let slotCount = blockSize * blockCount
        configuration = EngineConfiguration(
            blockSize: blockSize, blockCount: blockCount,
            contextCount: random.pick([slotCount, slotCount * 2, max(1, slotCount / 2)]),
            maxBatchTokens: random.pick([1, 2, 3, 5, 8, 16, 64]), maxRunningSequences: random.within(1...8),
            maxScoredTokens: random.within(1...6), maxWaitingRequests: random.pick([1, 4, 16, 40]),
            maxWaitingTokens: random.pick([blockSize * 2, slotCount, 100_000]),
            maxQueueTime: random.pick([nil, nil, .milliseconds(random.within(10...400))]),
            maxOvertakes: random.within(0...6), cachesPrefixes: !random.chance(150),
            pacing: random.pick([.unlimited, .relative(2), .relative(1.2), .absolute(.milliseconds(4))]))
        isFlood = random.chance(30)
        stepCount = isFlood ? 100 + Self.pauseLimit(configuration) : random.within(40...500)
        endsByStop = random.chance(200)
        arrivalPermille = isFlood ? 0 : random.pick([30, 150, 400, 900])
        burstPermille = isFlood ? 0 : random.pick([0, 10, 30])
        cancelPermille = isFlood ? 0 : random.pick([0, 30, 150])
        failurePermille = isFlood ? 0 : random.pick([0, 0, 10, 50])
        jumpPermille = random.pick([0, 2, 10])
        documents = (0..<2).map { _ in (0..<slotCount + 2).map { _ in Self.letter(&random) } }
    }

    private static func letter(_ random: inout SimulationRandom) -> TokenID {
        TokenID(random.below(SimulationVocabulary.letterCount))
    }
}

// MARK: - Requests

extension SimulationScenario {
    /// A request that may or may not fit.
    func request(_ random: inout SimulationRandom) -> GenerationRequest {
        let prompt = prompt(&random)
        let room = configuration.maxSequenceTokens - prompt.count
        var request = GenerationRequest(
            promptTokens: prompt, mode: mode(&random), stop: stop(room: max(0, room), &random),
            processing: processing(&random), report: report(&random), scheduling: scheduling(&random))
        // Where stop strings count from depends on both; the plain way to find them knows no minimum.
        if !request.stop.strings.isEmpty { request.processing.minTokens = 0 }
        return request
    }

    /// What a flood is made of.
    ///
    /// - Parameter isUrgent: a prompt that takes a whole step, ahead of everybody; else one that takes many, behind them.
    func floodRequest(isUrgent: Bool, _ random: inout SimulationRandom) -> GenerationRequest {
        let room = max(1, configuration.maxSequenceTokens - 1)
        return GenerationRequest(
            promptTokens: (0..<(isUrgent ? min(configuration.maxBatchTokens, room) : room)).map { _ in
                Self.letter(&random)
            },
            mode: .sampling(SamplingParameters(temperature: 0), choices: 0..<1), stop: StopConditions(maxTokens: 1),
            scheduling: Scheduling(priority: isUrgent ? 0 : 1))
    }

    /// Steps that a running request may go without a row: each step computes a token of somebody, and who fills the whole
    /// pool ahead of it is done within as many.
    static func pauseLimit(_ sizes: EngineConfiguration) -> Int { sizes.blockCount * sizes.blockSize + 64 }

    private func prompt(_ random: inout SimulationRandom) -> [TokenID] {
        let (size, limit) = (configuration.blockSize, configuration.maxSequenceTokens)
        let count = random.pick([
            1, size - 1, size, size + 1, 2 * size, random.within(1...4 * size), random.within(1...4 * size),
            random.within(1...limit), limit - random.below(size + 1),
        ])
        // A full context leaves no room for an answer.
        let most = random.chance(100) ? limit : max(1, limit - 1)
        return prompt(tokenCount: random.chance(10) ? limit + 1 : min(max(1, count), most), &random)
    }

    private func prompt(tokenCount count: Int, _ random: inout SimulationRandom) -> [TokenID] {
        var prompt = Array(random.pick(documents).prefix(count))
        while prompt.count < count { prompt.append(Self.letter(&random)) }
        let sharedCount = random.pick([0, count - 1, count, count, random.below(count + 1)])
        for index in sharedCount..<count { prompt[index] = Self.letter(&random) }
        if random.chance(15) { prompt[0] = random.pick([SimulationVocabulary.poison, SimulationVocabulary.silence]) }
        return prompt
    }

    private func mode(_ random: inout SimulationRandom) -> DecodingMode {
        let capacity = min(configuration.maxRunningSequences, configuration.maxBatchTokens)
        let width =
            random.chance(20) ? capacity + 1 : random.pick([1, 1, min(2, capacity), random.within(1...capacity)])
        if random.chance(250) {
            let beams = BeamParameters(
                width: width, returnCount: random.within(1...width),
                earlyStopping: random.pick([.always, .heuristic, .never]))
            return .beam(beams, sampling: nil)
        }
        let first = random.chance(200) ? random.below(3) : 0
        let sampling = SamplingParameters(
            temperature: random.pick([0, 1, 0.7]), topK: random.pick([nil, 5]), seed: UInt64(random.below(1000)))
        return .sampling(sampling, choices: first..<first + width)
    }

    private func stop(room: Int, _ random: inout SimulationRandom) -> StopConditions {
        let some = min(room, random.within(1...12))
        let many = min(room, random.within(1...80))
        return StopConditions(
            maxTokens: random.chance(20)
                ? room + 1 : random.chance(30) ? 0 : random.pick([min(room, 1), some, some, some, many]),
            endOfSequence: random.chance(500) ? [SimulationVocabulary.endOfSequence] : [],
            stopTokens: random.chance(150) ? [3, 4] : [],
            strings: random.pick([[], [], [Array("é".utf8)], [Array("ab".utf8)], [Array("c".utf8)]]),
            maxTime: random.chance(120) ? .milliseconds(random.within(1...120)) : nil)
    }

    private func processing(_ random: inout SimulationRandom) -> LogitsProcessing {
        var processing = LogitsProcessing()
        if random.chance(100) { processing.repetitionPenalty = 1.3 }
        if random.chance(100) { processing.minTokens = 2 }
        if random.chance(10) { processing.suppressedTokens = (0..<TokenID(SimulationVocabulary.count)).map { $0 } }
        return processing
    }

    private func report(_ random: inout SimulationRandom) -> GenerationReport {
        GenerationReport(
            logprobCount: random.chance(150) ? random.below(3) : nil,
            promptLogprobCount: random.chance(200) ? random.below(4) : nil)
    }

    private func scheduling(_ random: inout SimulationRandom) -> Scheduling {
        let salts: [[UInt8]] = [[], [], [1], [2]]
        return Scheduling(
            priority: random.pick([0, 0, 0, 0, -1, 1, 1, .max, .min]), account: random.pick([nil, nil, [1], [2], [3]]),
            prefixCaching: random.chance(100) ? .isolated : .shared(salt: random.pick(salts)))
    }
}
