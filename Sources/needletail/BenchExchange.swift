import InferenceTypes

/// What came of one request.
struct BenchOutcome: Sendable, Equatable {
    enum Failure: Hashable, Sendable, CustomStringConvertible {
        case status(Int)
        /// The connection, or what came over it.
        case connection(String)
        /// An event of the stream said that it failed.
        case event
        /// A stream that ended without saying so.
        case incomplete
        case timeout

        var description: String {
            switch self {
            case .status(let code): "status \(code)"
            case .connection(let message): message
            case .event: "an error inside a stream"
            case .incomplete: "a stream without its end"
            case .timeout: "not answered in time"
            }
        }
    }

    var failure: Failure?
    /// What the server said to a request that it refused.
    var message: String?
    /// - Units: nanoseconds of a monotonic clock.
    var started: UInt64
    /// When the first text came, the last, and the whole answer.
    var first: UInt64?
    var last: UInt64?
    var ended: UInt64
    /// Between one piece of text and the next.
    var gaps: [UInt64] = []
    /// As the server counts them, or pieces of text where it does not say.
    var outputTokenCount = 0
    var promptTokenCount = 0

    init(started: UInt64) {
        self.started = started
        ended = started
    }
}

/// One request and its answer: bytes in, times out. A value without socket or clock.
struct BenchExchange {
    private(set) var outcome: BenchOutcome
    private var reader = BenchResponseReader()
    private var events = BenchEventReader()
    private let isStream: Bool
    private var document: [UInt8] = []
    private var pieceCount = 0
    private var isDone = false

    init(isStream: Bool, started: UInt64) {
        self.isStream = isStream
        outcome = BenchOutcome(started: started)
    }

    var isComplete: Bool { reader.isComplete }
    var keepsAlive: Bool { reader.keepsAlive }
    var hasBegun: Bool { reader.hasBegun }
    /// The answer to a request that is no stream.
    var body: [UInt8] { document }

    /// - Source: what is kept of an answer that is no stream, and of an error.
    private static let maxDocumentByteCount = 16 << 20
    private static let messageByteCount = 300

    mutating func receive(_ bytes: [UInt8], at now: UInt64) throws(BenchResponseError) {
        var body: [UInt8] = []
        try reader.receive(bytes[...], into: &body)
        try take(body, at: now)
    }

    mutating func receiveEnd(at now: UInt64) throws(BenchResponseError) {
        try reader.receiveEnd()
        if reader.isComplete { finish(at: now) }
    }

    /// Ends it from our side.
    mutating func fail(_ failure: BenchOutcome.Failure, at now: UInt64) {
        outcome.failure = failure
        outcome.ended = now
    }

    private mutating func take(_ body: [UInt8], at now: UInt64) throws(BenchResponseError) {
        if isStream && reader.status == 200 {
            for event in try events.receive(body) { take(event: event, at: now) }
        } else {
            document += body
            guard document.count <= Self.maxDocumentByteCount else {
                throw BenchResponseError("an answer of more than \(Self.maxDocumentByteCount) bytes")
            }
        }
        if reader.isComplete { finish(at: now) }
    }

    private mutating func take(event: [UInt8], at now: UInt64) {
        guard !event.elementsEqual("[DONE]".utf8) else {
            isDone = true
            return
        }
        guard let value = try? JSONParser.parse(event, limits: .request) else { return }
        if value["error"] != nil { outcome.failure = .event }
        takeUsage(value)
        guard let choices = value["choices"]?.asArray, choices.contains(where: Self.hasText) else { return }
        pieceCount += 1
        if let last = outcome.last { outcome.gaps.append(now - last) } else { outcome.first = now }
        outcome.last = now
    }

    /// A completion's text, or a chat's. An empty one counts, since a token may have none, unless it only brings the end.
    private static func hasText(_ choice: JSONValue) -> Bool {
        guard let text = choice["text"]?.asBytes ?? choice["delta"]?["content"]?.asBytes else { return false }
        return !text.isEmpty || choice["finish_reason"]?.asBytes == nil
    }

    private mutating func takeUsage(_ value: JSONValue) {
        guard let usage = value["usage"] else { return }
        if let count = usage["completion_tokens"]?.asInteger { outcome.outputTokenCount = Int(clamping: count) }
        if let count = usage["prompt_tokens"]?.asInteger { outcome.promptTokenCount = Int(clamping: count) }
    }

    private mutating func finish(at now: UInt64) {
        outcome.ended = now
        guard reader.status == 200 else {
            outcome.failure = .status(reader.status)
            outcome.message = String(decoding: document.prefix(Self.messageByteCount), as: UTF8.self)
            return
        }
        if isStream {
            if outcome.failure == nil && !isDone { outcome.failure = .incomplete }
        } else if let value = try? JSONParser.parse(document, limits: .modelFile) {
            takeUsage(value)
            (outcome.first, outcome.last) = (now, now)
        }
        if outcome.outputTokenCount == 0 { outcome.outputTokenCount = pieceCount }
    }
}
