import Engine
import HTTPCodec
import InferenceTypes

/// Events to server-sent events, as a value: what to send next is a function of what was heard so far.
///
/// - Source: api.md B.3.
struct CompletionStream: Sendable {
    private let document: CompletionDocument
    private let report: CompletionParameters.UsageReport
    private let tokenIDs: CompletionParameters.TokenIDs
    private(set) var usage: Usage
    /// What each choice has still to open with, nil once said.
    private var openings: [ChoicePart.Opening?]
    private var isOpen: [Bool]
    private(set) var isFinished = false
    private(set) var hasFailed = false

    init(_ parameters: CompletionParameters, report: CompletionParameters.UsageReport, document: CompletionDocument) {
        self.document = document
        self.report = report
        tokenIDs = parameters.tokenIDs
        usage = Usage(promptCount: parameters.generations.reduce(0) { $0 + $1.promptTokens.count })
        openings = parameters.generations.map { .init($0, tokenIDs: parameters.tokenIDs) }
        isOpen = Array(repeating: true, count: parameters.generations.count)
    }

    /// Bytes to send, empty when there is nothing to say yet.
    mutating func receive(_ event: GenerationEvent, prompt: Int) -> [UInt8] {
        guard !isFinished, isOpen[prompt] else { return [] }
        switch event {
        case .delta(let delta):
            usage.completionCount += delta.tokens.count
            // Text that is held back has nothing to show, unless ids were asked for.
            if delta.text.isEmpty, tokenIDs == .hidden || delta.tokens.isEmpty { return [] }
            return chunk(ChoicePart(index: prompt, text: delta.text, tokens: shown(delta.tokens)))
        case .finished(_, let reason):
            if let error = reason.error { return fail(error) }
            isOpen[prompt] = false
            return chunk(ChoicePart(index: prompt, reason: reason, tokens: shown([]))) + ending()
        }
    }

    /// An engine stream ended: an error unless its choice was finished.
    mutating func receiveEnd(prompt: Int) -> [UInt8] {
        !isFinished && isOpen[prompt] ? fail(.endedEarly) : []
    }

    private func shown(_ tokens: [TokenID]) -> [TokenID]? { tokenIDs == .shown ? tokens : nil }

    private mutating func chunk(_ part: ChoicePart) -> [UInt8] {
        var part = part
        part.opening = openings[part.index]
        openings[part.index] = nil
        let usageMember: JSONValue? =
            switch report {
            case .never: nil
            case .atEnd: .null
            case .onEveryChunk: usage.document
            }
        return ServerSentEvents.event(document.encoded(choices: [part.document], usage: usageMember))
    }

    private mutating func ending() -> [UInt8] {
        guard isOpen.allSatisfy({ !$0 }) else { return [] }
        isFinished = true
        let last = report == .never ? nil : document.encoded(choices: [], usage: usage.document)
        return (last.map(ServerSentEvents.event) ?? []) + ServerSentEvents.done
    }

    /// The status is sent already: the error is an event, and nothing follows it but the end.
    private mutating func fail(_ error: APIError) -> [UInt8] {
        isFinished = true
        hasFailed = true
        return ServerSentEvents.event(error.eventBody) + ServerSentEvents.done
    }
}

/// Pulls a streamed answer, one piece for each call. An actor, because the body of a response may be read from any task.
actor CompletionPull {
    private let merger: EventMerger
    private var stream: CompletionStream
    private let keeper: RecordKeeper
    private var isSilent = true

    init(
        _ merger: EventMerger, _ stream: CompletionStream, _ record: CompletionRecord,
        _ environment: ServiceEnvironment
    ) {
        self.merger = merger
        self.stream = stream
        keeper = RecordKeeper(record, environment)
    }

    func next() async -> [UInt8]? {
        while !stream.isFinished, let item = await merger.next() {
            let bytes = bytes(for: item)
            keeper.take(stream.usage, isFinished: stream.isFinished)
            if stream.hasFailed { keeper.fail() }
            if stream.isFinished { merger.stop() }
            if !bytes.isEmpty { return bytes }
        }
        return nil
    }

    private func bytes(for item: EventMerger.Item) -> [UInt8] {
        let bytes: [UInt8]
        switch item {
        case .tick: return isSilent ? ServerSentEvents.ping : []
        case .event(let event, let prompt): bytes = stream.receive(event, prompt: prompt)
        case .ended(let prompt): bytes = stream.receiveEnd(prompt: prompt)
        }
        if isSilent, !bytes.isEmpty {
            isSilent = false
            merger.silenceClock()
        }
        return bytes
    }
}
