import HTTPTypes

/// What the transport has to do next.
package enum HTTPConnectionEvent: Sendable {
    /// Nothing until more bytes come or the deadline passes.
    case needMore
    /// Send `HTTPConnectionMachine.continueHead`, then call `advance`.
    case sendContinue
    /// Hand the request to the handler, and its answer to `send`.
    case deliver(ServerRequest)
    /// Hand the error's response to `send`; the connection closes after it.
    case reject(HTTPError)
    /// Close at once, without an answer.
    case close
}

/// The server's side of one HTTP/1.1 connection as a value: bytes and times in, events and bytes out.
///
/// One request at a time. What a client sends ahead waits in `input` until the former answer is finished, so answers
/// keep their order. Every result depends on the bytes alone and never on the pieces they came in.
///
/// Times are durations since any fixed moment, and must not go back.
///
/// - Source: RFC 9112.
package struct HTTPConnectionMachine: Sendable {
    /// What is being read or written. The values that belong to a phase are stored beside it and not inside the case,
    /// because a payload taken out to be changed would be copied.
    private enum Phase {
        case head, body, answering, answered, closing, lingering
    }

    /// What of a request its answer depends on.
    private struct Exchange {
        var isHead = false
        var isHTTP10 = false
        var wantsClose = false
        var streamFraming = ResponseFraming.none
    }

    package static let continueHead = ResponseEncoder.continueHead

    private let limits: HTTPLimits
    private var phase = Phase.head
    private var input = InputBuffer()
    private var parser = HeadParser()
    private var head: RequestHead?
    private var body: [UInt8] = []
    private var chunks = ChunkedDecoder()
    private var exchange = Exchange()
    private var isDraining = false

    private let openedAt: Duration
    /// When the last answer was finished, or the connection made.
    package private(set) var idleSince: Duration
    /// When the first byte of this request was seen.
    private var headStartedAt: Duration?
    private var bodyStartedAt: Duration = .zero
    private var receivedAt: Duration = .zero
    private var lingerStartedAt: Duration = .zero
    private var discardedCount = 0

    package init(limits: HTTPLimits, now: Duration) {
        self.limits = limits
        openedAt = now
        idleSince = now
    }

    // MARK: State

    /// No request has begun: closing now loses nothing.
    package var isIdle: Bool { phase == .head && headStartedAt == nil }
    /// The last answer is given; when its bytes are out, `beginLingering`.
    package var isClosing: Bool { phase == .closing }

    /// False while more input could only be held: back-pressure for a client that sends ahead.
    package var wantsInput: Bool {
        switch phase {
        case .head, .body, .lingering: true
        case .answering, .answered, .closing: max(input.count, discardedCount) < limits.pipelinedByteCount
        }
    }

    /// When `expire` is to be called, unless something happens before.
    package var deadline: Duration? {
        switch phase {
        case .head: headStartedAt.map { $0 + limits.headerTimeout } ?? idleSince + limits.idleTimeout
        case .body: min(bodyStartedAt + limits.bodyTimeout, receivedAt + limits.bodyGapTimeout)
        case .lingering: lingerStartedAt + limits.lingerTimeout
        case .answering, .answered, .closing: nil
        }
    }

    // MARK: Receiving

    /// Takes what the client sent.
    package mutating func receive(_ bytes: [UInt8], now: Duration) -> HTTPConnectionEvent {
        switch phase {
        case .head, .body:
            input.append(bytes)
            receivedAt = now
            return advance(now: now)
        case .answering where !exchange.wantsClose, .answered:
            input.append(bytes)
            return .needMore
        case .answering, .closing, .lingering:
            discardedCount += bytes.count
            return phase == .lingering && discardedCount > limits.lingerByteCount ? .close : .needMore
        }
    }

    /// Goes on with bytes that have come before: after `sendContinue`, and after an answer, as soon as the client has
    /// taken enough of it. Until then no further request is begun.
    package mutating func advance(now: Duration) -> HTTPConnectionEvent {
        if phase == .answered {
            phase = .head
            headStartedAt = nil
            idleSince = now
            if isDraining, input.isEmpty { phase = .closing }
        }
        do {
            switch phase {
            case .head: return try readHead(now: now)
            case .body: return try readBody()
            case .answering, .answered, .closing, .lingering: return .needMore
            }
        } catch {
            return reject(error)
        }
    }

    /// Acts on a deadline. Nothing happens when it is still ahead.
    package mutating func expire(now: Duration) -> HTTPConnectionEvent {
        guard let deadline, now >= deadline else { return .needMore }
        guard phase != .lingering, !isIdle else { return .close }
        return reject(HTTPError(.requestTimeout, "The request did not arrive in time."))
    }

    /// From now on each answer is the connection's last.
    package mutating func drain() {
        isDraining = true
        if isIdle { phase = .closing }
    }

    /// The last answer is out and the sending side shut down: what still comes is thrown away for a moment.
    package mutating func beginLingering(now: Duration) {
        phase = .lingering
        lingerStartedAt = now
    }

    private mutating func readHead(now: Duration) throws(HTTPError) -> HTTPConnectionEvent {
        guard !input.isEmpty else { return .needMore }
        if headStartedAt == nil { headStartedAt = now }
        guard let head = try parser.parse(&input, limits: limits) else { return .needMore }
        exchange = Exchange(
            isHead: parser.isHead, isHTTP10: head.version == .http10, wantsClose: head.wantsClose)
        self.head = head
        phase = .body
        bodyStartedAt = now
        receivedAt = now
        return head.expectsContinue ? .sendContinue : try readBody()
    }

    private mutating func readBody() throws(HTTPError) -> HTTPConnectionEvent {
        guard let head else { return .close }
        switch head.framing {
        case .none:
            break
        case .length(let length):
            let count = min(length - body.count, input.count)
            body += input.unread.prefix(count)
            input.consume(count)
            guard body.count == length else { return .needMore }
        case .chunked:
            guard try chunks.decode(&input, into: &body, limits: limits) else { return .needMore }
        }
        let request = ServerRequest(
            head: head.request, path: head.path, query: head.query, body: body, contentCoding: head.contentCoding)
        endReading()
        return .deliver(request)
    }

    /// Refuses what the client is sending; also from outside, for bytes that never were HTTP's.
    /// - Requires: no answer is due.
    package mutating func reject(_ error: HTTPError) -> HTTPConnectionEvent {
        exchange.isHead = parser.isHead
        exchange.wantsClose = true
        endReading()
        input = InputBuffer()
        return .reject(error)
    }

    private mutating func endReading() {
        phase = .answering
        parser = HeadParser()
        head = nil
        body = []
        chunks = ChunkedDecoder()
    }

    // MARK: Sending

    /// What follows a head.
    package enum AnswerProgress: Sendable {
        /// The answer is whole: call `advance`.
        case complete
        /// The stream's pieces go to `sendPiece`, its end to `sendEnd`.
        case bodyFollows
    }

    /// Begins the answer to the request delivered or rejected last; a fixed body is written at once.
    /// - Requires: a request was delivered or rejected and is not answered yet.
    package mutating func send(
        _ response: ServerResponse, now: Duration, date: HTTPDate, to output: inout [UInt8]
    ) -> AnswerProgress {
        precondition(phase == .answering, "an answer without a request")
        guard ResponseEncoder.accepts(response.head) else {
            let error = HTTPError(.internalServerError, "The answer could not be sent.")
            return send(error.response, now: now, date: date, to: &output)
        }
        let framing = framing(of: response)
        let isLast = exchange.wantsClose || isDraining || now - openedAt >= limits.connectionAge
        exchange.wantsClose = isLast
        ResponseEncoder.append(response.head, framing: framing, keepsOpen: !isLast, date: date, to: &output)
        let hasBody = !exchange.isHead && framing != .none
        switch response.body {
        case .stream where hasBody:
            exchange.streamFraming = framing
            return .bodyFollows
        case .bytes(let bytes) where hasBody:
            output += bytes
        case .stream, .bytes:
            break
        }
        finishAnswer()
        return .complete
    }

    /// Writes a piece of a streamed body.
    package mutating func sendPiece(_ bytes: [UInt8], to output: inout [UInt8]) {
        if exchange.streamFraming == .chunked {
            ResponseEncoder.appendChunk(bytes, to: &output)
        } else {
            output += bytes
        }
    }

    /// Ends a streamed body; call `advance` after it.
    package mutating func sendEnd(to output: inout [UInt8]) {
        if exchange.streamFraming == .chunked { output += ResponseEncoder.lastChunk }
        finishAnswer()
    }

    private func framing(of response: ServerResponse) -> ResponseFraming {
        switch response.body {
        case _ where response.head.status == .noContent || response.head.status == .notModified: .none
        case .bytes(let bytes): .length(bytes.count)
        case .stream: exchange.isHTTP10 ? .untilClose : .chunked
        }
    }

    private mutating func finishAnswer() {
        phase = exchange.wantsClose ? .closing : .answered
        if phase == .closing { input = InputBuffer() }
        exchange = Exchange()
    }
}
