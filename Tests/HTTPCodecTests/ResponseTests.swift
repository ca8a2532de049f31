import HTTPCodec
import HTTPTypes
import Testing

@Suite("Responses")
struct ResponseTests {
    private static let prefix = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: needletail\r\n"

    /// The bytes that answer a request line.
    private static func bytes(_ response: ServerResponse, to line: String, pieces: [String] = []) -> String {
        var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
        _ = machine.receive((line + "\r\nHost: a\r\n\r\n").bytes, now: .zero)
        var output: [UInt8] = []
        if machine.send(response, now: .zero, date: MachinePlayer.date, to: &output) == .bodyFollows {
            for piece in pieces { machine.sendPiece(piece.bytes, to: &output) }
            machine.sendEnd(to: &output)
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static let fixed = StubRoutes.json(.ok, "{}")
    private static var stream: ServerResponse { ServerSentEvents.response(AsyncStream { $0.finish() }) }
    private static let streamFields = "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"

    @Test("a fixed body has its length")
    func fixedBody() {
        let expected = Self.prefix + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        #expect(Self.bytes(Self.fixed, to: "GET / HTTP/1.1") == expected)
    }

    @Test("HEAD gets the head of GET")
    func head() {
        let expected = Self.prefix + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        #expect(Self.bytes(Self.fixed, to: "HEAD / HTTP/1.1") == expected)
        let streamed = Self.prefix + Self.streamFields + "Transfer-Encoding: chunked\r\n\r\n"
        #expect(Self.bytes(Self.stream, to: "HEAD / HTTP/1.1") == streamed)
    }

    @Test("a stream goes in chunks; an empty piece is left out, for it would end the body")
    func streamed() {
        let expected =
            Self.prefix + Self.streamFields + "Transfer-Encoding: chunked\r\n\r\n"
            + "1\r\na\r\n1b\r\nabcdefghijklmnopqrstuvwxyz.\r\n0\r\n\r\n"
        let pieces = ["a", "", "abcdefghijklmnopqrstuvwxyz."]
        #expect(Self.bytes(Self.stream, to: "GET / HTTP/1.1", pieces: pieces) == expected)
    }

    @Test("to HTTP/1.0 a stream ends with the connection")
    func old() {
        let expected = Self.prefix + Self.streamFields + "Connection: close\r\n\r\nab"
        #expect(Self.bytes(Self.stream, to: "GET / HTTP/1.0", pieces: ["a", "b"]) == expected)
    }

    @Test("204 and 304 have neither body nor length", arguments: [204, 304])
    func noBody(_ code: Int) {
        let response = ServerResponse(head: HTTPResponse(status: .init(code: code)), body: .bytes("{}".bytes))
        let output = Self.bytes(response, to: "GET / HTTP/1.1")
        #expect(output.hasSuffix("Server: needletail\r\n\r\n"))
    }

    @Test("a handler cannot frame, date or end the connection itself")
    func ownFields() {
        var response = Self.fixed
        for name in [.contentLength, .transferEncoding, .connection, .date, .server] as [HTTPField.Name] {
            response.head.headerFields[name] = "x"
        }
        #expect(Self.bytes(response, to: "GET / HTTP/1.1") == Self.bytes(Self.fixed, to: "GET / HTTP/1.1"))
    }

    @Test("no handler's value can split a response")
    func splitting() {
        var response = Self.fixed
        response.head.headerFields[.location] = "a\r\nX: b\r\n\r\nc"
        #expect(Self.bytes(response, to: "GET / HTTP/1.1").contains("Location: a  X: b    c\r\n"))
        response.head.headerFields[.location] = nil
        response.head.headerFields.append(HTTPField(name: .location, lenientValue: [0x61, 0x1B]))
        #expect(Self.bytes(response, to: "GET / HTTP/1.1").hasPrefix("HTTP/1.1 500 Internal Server Error\r\n"))
    }

    @Test("events are data lines, a blank line ends each")
    func events() {
        #expect(ServerSentEvents.event(Array(#"{"a":1}"#.utf8)) == "data: {\"a\":1}\n\n".bytes)
        #expect(ServerSentEvents.event(Array("a\nb\r\n".utf8)) == "data: a\ndata: b\ndata: \n\n".bytes)
        #expect(ServerSentEvents.done == "data: [DONE]\n\n".bytes)
        #expect(ServerSentEvents.ping == ": ping\n\n".bytes)
    }

    @Test(
        "dates",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_795_528_800, "Tue, 24 Nov 2026 14:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"), (-1, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] as [(Int64, String)])
    func dates(_ seconds: Int64, _ text: String) {
        #expect(String(decoding: HTTPDate(unixSeconds: seconds).bytes, as: UTF8.self) == text)
    }
}
