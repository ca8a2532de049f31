import HTTPCodec
import HTTPTypes

/// Everything a connection showed to its client.
struct Transcript: Equatable {
    var output: [UInt8] = []
    /// Final statuses in order; 100 is in `interimCount`.
    var statuses: [Int] = []
    var interimCount = 0
    /// The requests that reached the handler.
    var delivered: [String] = []
    var isClosing = false
}

/// A connection in memory: feeds bytes to a machine and answers at once, as a transport without a socket would.
struct MachinePlayer {
    private var machine: HTTPConnectionMachine
    private let limits: HTTPLimits
    private let handler: (ServerRequest) -> ServerResponse
    private(set) var transcript = Transcript()
    static let date = HTTPDate(unixSeconds: 784_111_777)

    init(limits: HTTPLimits = HTTPLimits(), handler: @escaping (ServerRequest) -> ServerResponse = StubRoutes.answer) {
        self.limits = limits
        self.handler = handler
        machine = HTTPConnectionMachine(limits: limits, now: .zero)
    }

    mutating func receive(_ bytes: [UInt8]) {
        var event = machine.receive(bytes, now: .zero)
        while true {
            switch event {
            case .needMore:
                transcript.isClosing = machine.isClosing
                return
            case .sendContinue:
                transcript.interimCount += 1
                transcript.output += HTTPConnectionMachine.continueHead
            case .deliver(let request):
                transcript.delivered.append("\(request.head.method) \(request.head.path ?? "")")
                answer(response(to: request))
            case .reject(let error):
                answer(error.response)
            case .close:
                transcript.isClosing = true
                return
            }
            event = machine.advance(now: .zero)
        }
    }

    private func response(to request: ServerRequest) -> ServerResponse {
        var request = request
        do {
            try request.inflate(limits: limits)
            return handler(request)
        } catch {
            return error.response
        }
    }

    private mutating func answer(_ response: ServerResponse) {
        transcript.statuses.append(response.head.status.code)
        let progress = machine.send(response, now: .zero, date: Self.date, to: &transcript.output)
        if progress == .bodyFollows { machine.sendEnd(to: &transcript.output) }
    }

    /// Plays bytes in pieces of the lengths that `next` tells.
    static func play(
        _ bytes: [UInt8], limits: HTTPLimits = HTTPLimits(), pieces next: () -> Int = { .max }
    ) -> Transcript {
        var player = MachinePlayer(limits: limits)
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(max(1, next()))
            player.receive([UInt8](piece))
            rest = rest.dropFirst(piece.count)
        }
        return player.transcript
    }
}

/// The routes that the acceptance vectors ask for.
enum StubRoutes {
    static func answer(_ request: ServerRequest) -> ServerResponse {
        switch (String(decoding: request.path, as: UTF8.self), request.head.method) {
        case ("/health", .get), ("/health", .head), ("/v1/models", .get): json(.ok, "{}")
        case ("/health", _): json(.methodNotAllowed, "{}", [.allow: "GET, HEAD"])
        case ("/v1/completions", .post): json(isObject(request.body) ? .ok : .badRequest, "{}")
        default: json(.notFound, "{}")
        }
    }

    static func json(_ status: HTTPResponse.Status, _ text: String, _ fields: HTTPFields = [:]) -> ServerResponse {
        var head = HTTPResponse(status: status, headerFields: fields)
        head.headerFields[.contentType] = "application/json"
        return ServerResponse(head: head, body: .bytes([UInt8](text.utf8)))
    }

    private static func isObject(_ body: [UInt8]) -> Bool {
        let text = body.drop { $0 == UInt8(ascii: " ") }
        return text.first == UInt8(ascii: "{") && text.last == UInt8(ascii: "}")
    }
}

extension String {
    var bytes: [UInt8] { [UInt8](utf8) }
}
