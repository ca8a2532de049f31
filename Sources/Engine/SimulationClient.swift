import InferenceTypes
import Sampling

/// One client of a simulation: it sends a request, listens as it likes, and checks every word.
final class SimulationClient {
    /// When it reads what it was sent.
    enum Habit {
        case eager
        case every(Int)
        case atTheEnd
    }

    /// All that was heard of one choice.
    struct Answer {
        var plain: SimulationOracle.Choice
        var text: [UInt8] = []
        var reason: FinishReason?
        var beamScore: Float?
    }

    let id: RequestID
    let request: GenerationRequest
    let arrival: UInt64
    let habit: Habit
    let sink: AsyncStream<GenerationEvent>.Continuation
    private var iterator: AsyncStream<GenerationEvent>.Iterator?
    private(set) var answers: [Int: Answer] = [:]
    private var hasStarted = false
    private(set) var prompt: [TokenLogprobs]?
    private var lastFinish: FinishedChoice?
    /// The stream has ended.
    private(set) var isOver = false
    /// Cancelled by itself or by hanging up.
    var isCancelled = false

    init(_ id: RequestID, _ request: GenerationRequest, arrival: UInt64, habit: Habit) {
        let (stream, sink) = AsyncStream.makeStream(of: GenerationEvent.self, bufferingPolicy: .unbounded)
        self.id = id
        self.request = request
        self.arrival = arrival
        self.habit = habit
        self.sink = sink
        iterator = stream.makeAsyncIterator()
        for choice in request.choices {
            answers[choice] = Answer(plain: SimulationOracle.Choice(choice, prompt: request.promptTokens))
        }
    }

    var number: Int { Int(clamping: id.number) }
    /// Nobody listens any more.
    var isGone: Bool { iterator == nil }

    /// Stops listening: the last reference to the stream goes.
    func hangUp() {
        isCancelled = true
        iterator = nil
    }

    /// Everything that was sent since the last time. Never waits: a marker follows what is there.
    func events() async -> [GenerationEvent] {
        guard var listener = iterator, !isOver else { return [] }
        var events: [GenerationEvent] = []
        sink.yield(Self.marker)
        while let event = await listener.next() {
            if event == Self.marker { return events }
            events.append(event)
        }
        isOver = true
        return events
    }

    private static let marker = GenerationEvent.delta(TextDelta(choice: .min, text: [], tokens: []))
}

// MARK: - Checking what is heard

extension SimulationClient {
    /// What a client cannot know of why it heard something.
    struct Circumstances {
        var now: UInt64
        var isStopped: Bool
        /// A step failed since the engine began.
        var hasFailed: Bool
    }

    func take(
        _ event: GenerationEvent, _ oracle: inout SimulationOracle, _ circumstances: Circumstances
    ) throws(SimulationViolation) {
        switch event {
        case .prompt(let logprobs): try take(logprobs, &oracle)
        case .delta(let delta): try take(delta, &oracle)
        case .finished(let finished): try take(finished, &oracle, circumstances)
        case .started:
            try require(!hasStarted && prompt == nil && heardTokenCount == 0, 4, "\(number) starts late or twice")
            hasStarted = true
        case .explained: throw SimulationViolation(4, "\(number) is explained what it did not ask for")
        }
    }

    private func take(_ logprobs: [TokenLogprobs], _ oracle: inout SimulationOracle) throws(SimulationViolation) {
        try require(prompt == nil && heardTokenCount == 0, 4, "\(number) hears of its prompt late or twice")
        prompt = logprobs
        let expected = request.report.promptLogprobCount.flatMap {
            oracle.promptLogprobs(request.promptTokens, topCount: $0)
        }
        try require(expected == logprobs, 4, "\(number) hears other logprobs of its prompt than alone")
    }

    private func take(_ delta: TextDelta, _ oracle: inout SimulationOracle) throws(SimulationViolation) {
        guard var answer = answers[delta.choice] else {
            throw SimulationViolation(4, "\(number) hears of choice \(delta.choice)")
        }
        try require(answer.reason == nil, 4, "\(number) hears more of choice \(delta.choice) after its end")
        try require(
            prompt != nil || request.report.promptLogprobCount == nil, 4, "\(number) hears nothing of its prompt")
        answer.text += delta.text
        for token in delta.tokens { try append(token, to: &answer, &oracle) }
        answers[delta.choice] = answer
    }

    private func append(
        _ token: GeneratedToken, to answer: inout Answer, _ oracle: inout SimulationOracle
    ) throws(SimulationViolation) {
        let place = "\(number) choice \(answer.plain.number) token \(answer.plain.generated.count)"
        try require(answer.plain.generated.last.map(isEnd) != true, 4, "\(place): something follows an end")
        try require(answer.plain.generated.count < request.stop.maxTokens, 4, "\(place): more than it asked for")
        if case .sampling(let parameters, _) = request.mode {
            let (expected, logprobs) = oracle.next(answer.plain, of: request, parameters)
            try require(expected == .token(token.id), 4, "\(place) is \(token.id), alone it is \(expected)")
            try require(logprobs == token.logprobs, 4, "\(place) has other logprobs than alone")
        }
        answer.plain.append(token.id)
    }

    private func isEnd(_ token: TokenID) -> Bool {
        request.stop.endOfSequence.contains(token) || request.stop.stopTokens.contains(token)
    }

    var heardTokenCount: Int { answers.values.reduce(0) { $0 + $1.plain.generated.count } }
}

// MARK: - Ends

extension SimulationClient {
    private func take(
        _ finished: FinishedChoice, _ oracle: inout SimulationOracle, _ circumstances: Circumstances
    ) throws(SimulationViolation) {
        guard let answer = answers[finished.choice] else {
            throw SimulationViolation(4, "\(number) hears the end of choice \(finished.choice)")
        }
        try require(answer.reason == nil, 4, "\(number) hears the end of choice \(finished.choice) twice")
        answers[finished.choice]?.reason = finished.reason
        answers[finished.choice]?.beamScore = finished.beamScore
        lastFinish = finished
        let cachedLimit = request.promptTokens.count - (request.stop.maxTokens > 0 ? 1 : 0)
        try require((0...max(cachedLimit, 0)).contains(finished.cachedTokenCount), 9, "\(number) had too much cached")
        try check(finished.reason, of: answer, &oracle, circumstances)
        try checkText(answer, finished.reason)
    }

    private func check(
        _ reason: FinishReason, of answer: Answer, _ oracle: inout SimulationOracle, _ circumstances: Circumstances
    ) throws(SimulationViolation) {
        let generated = answer.plain.generated
        let isTrue =
            switch reason {
            case .endOfSequence(let token):
                generated.last == token && request.stop.endOfSequence.contains(token)
            case .stopToken(let token): generated.last == token && request.stop.stopTokens.contains(token)
            case .stopString(let string): request.stop.strings.contains(string)
            case .length: generated.count == request.stop.maxTokens
            case .maxTime: deadline.map { $0 <= circumstances.now } ?? false
            case .queueTimeout: !hasStarted && arrival < circumstances.now
            case .exhausted: !request.processing.suppressedTokens.isEmpty || isBeamSearch
            case .cancelled: isCancelled
            case .failed(DecodingStep.forwardFailure): circumstances.hasFailed
            case .failed(DecodingStep.logitsFailure): isPoisoned && generated.isEmpty
            case .failed: circumstances.isStopped
            }
        try require(isTrue, 4, "\(number) choice \(answer.plain.number) ends with \(reason) after \(generated)")
    }

    /// A natural end has all of the text, any other a beginning of it.
    private func checkText(_ answer: Answer, _ reason: FinishReason) throws(SimulationViolation) {
        var shown = answer.plain.generated
        if let last = shown.last, isEnd(last) { shown.removeLast() }
        let whole = SimulationVocabulary.text(shown)
        let (text, isStopped) = cut(whole)
        let place = "\(number) choice \(answer.plain.number)"
        switch reason {
        case .stopString:
            try require(isStopped && answer.text == text, 4, "\(place) has other text before its stop string")
        case .endOfSequence, .stopToken, .length, .exhausted:
            try require(!isStopped && answer.text == text, 4, "\(place) has other text than its tokens")
        case .maxTime, .queueTimeout, .cancelled, .failed:
            // Beams may agree on a text before they do on its tokens.
            let isKnown = isBeamSearch || text.starts(with: answer.text)
            try require(isKnown, 4, "\(place) has text that its tokens do not have")
        }
    }

    private func cut(_ text: [UInt8]) -> (text: [UInt8], isStopped: Bool) {
        for start in text.indices {
            for string in request.stop.strings where text[start...].starts(with: string) {
                return (Array(text[..<start]), true)
            }
        }
        return (text, false)
    }

    /// What is only known when the stream has ended.
    func checkEnd() throws(SimulationViolation) {
        try require(
            answers.values.allSatisfy { $0.reason != nil }, 3, "the stream of \(number) ends before all its choices")
        guard let lastFinish, !isBeamSearch else { return }
        try require(
            lastFinish.generatedTokenCount == heardTokenCount, 4,
            "\(number) heard \(heardTokenCount) tokens and is told of \(lastFinish.generatedTokenCount)")
    }

    var deadline: UInt64? { request.stop.maxTime.map { arrival + $0.simulatedNanoseconds } }

    var isBeamSearch: Bool { if case .beam = request.mode { true } else { false } }

    var isPoisoned: Bool {
        [SimulationVocabulary.poison, SimulationVocabulary.silence].contains(request.promptTokens[0])
    }

    var cachedTokenCount: Int { lastFinish?.cachedTokenCount ?? 0 }
}

extension Duration {
    /// - Requires: not negative, less than a year.
    var simulatedNanoseconds: UInt64 {
        UInt64(components.seconds) * 1_000_000_000 + UInt64(components.attoseconds / 1_000_000_000)
    }
}
