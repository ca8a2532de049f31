import HTTPCodec
import TestSupport
import Testing

/// A request, and what must come of it.
struct FramingCase: Sendable, CustomTestStringConvertible {
    var title: String
    var input: String
    /// Statuses of the answers; 0 stands for none yet.
    var statuses: [Int]
    var testDescription: String { title }

    init(_ title: String, _ input: String, _ statuses: Int...) {
        self.title = title
        self.input = input
        self.statuses = statuses
    }
}

/// A request to `/v1/completions` with a body of two bytes, its head ended by `fields`.
private func post(_ fields: String, _ body: String = "") -> String {
    "POST /v1/completions HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body
}

private func get(_ line: String) -> String { line + "\r\nHost: a\r\n\r\n" }
private let next = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite("Framing")
struct FramingTests {
    static let cases = [
        FramingCase("length", post("Content-Length: 2\r\n", "{}" + next), 200, 200),
        FramingCase("length with zeros in front", post("Content-Length: 0002\r\n", "{}" + next), 200, 200),
        FramingCase("length, body not here yet", post("Content-Length: 3\r\n", "{}")),
        FramingCase("length twice, equal", post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}" + next), 400),
        FramingCase("length as a list", post("Content-Length: 2, 2\r\n", "{}" + next), 400),
        FramingCase("length with a sign", post("Content-Length: +2\r\n", "{}" + next), 400),
        FramingCase("empty length", post("Content-Length:\r\n", next), 400),
        FramingCase("length above 2^64", post("Content-Length: 18446744073709551618\r\n", "{}" + next), 413),
        FramingCase("neither length nor chunks", post("", next), 400, 200),
        FramingCase("chunks", post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n" + next), 200, 200),
        FramingCase("chunks, name in capitals", post("Transfer-Encoding: CHUNKED\r\n", "2\r\n{}\r\n0\r\n\r\n"), 200),
        FramingCase("chunks and length", post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400),
        FramingCase("gzip, then chunks", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n" + next), 501),
        FramingCase("chunked with a parameter", post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n" + next), 400),
        FramingCase("chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n" + next), 400),
        FramingCase(
            "GET with a body", "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" + next, 200, 200),
        FramingCase("unknown content coding", post("Content-Encoding: br\r\nContent-Length: 2\r\n", "{}" + next), 415),
        FramingCase("identity coding", post("Content-Encoding: identity\r\nContent-Length: 2\r\n", "{}"), 200),
        FramingCase(
            "damaged gzip, connection kept", post("Content-Encoding: gzip\r\nContent-Length: 2\r\n", "{}" + next), 400,
            200),
        FramingCase("other expectation", post("Expect: 200-ok\r\nContent-Length: 2\r\n", "{}" + next), 417),
        FramingCase("line feed alone", "GET /health HTTP/1.1\nHost: a\n\n", 400),
        FramingCase("carriage return alone in a value", "GET /health HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        FramingCase("folded field", "GET /health HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
        FramingCase("space before the colon", "GET /health HTTP/1.1\r\nHost : a\r\n\r\n" + next, 400),
        FramingCase("NUL in a value", "GET /health HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
        FramingCase("no Host", "GET /health HTTP/1.1\r\n\r\n", 400),
        FramingCase("no Host in 1.0", "GET /health HTTP/1.0\r\n\r\n" + next, 200),
        FramingCase("two credentials", get("GET /health HTTP/1.1\r\nAuthorization: a\r\nAuthorization: a"), 400),
        FramingCase("one empty line before", "\r\n" + next, 200),
        FramingCase("two empty lines before", "\r\n\r\n" + next, 400),
        FramingCase("no HTTP: the first byte tells", "\u{16}\u{3}\u{1}", 400),
        FramingCase("higher minor version", get("GET /health HTTP/1.7"), 200),
        FramingCase("higher major version", get("GET /health HTTP/2.0"), 505),
        FramingCase("version in small letters", get("GET /health http/1.1"), 400),
        FramingCase("two spaces", get("GET  /health HTTP/1.1"), 400),
        FramingCase("CONNECT", get("CONNECT a:443 HTTP/1.1"), 501),
        FramingCase("method of 33 letters", get(String(repeating: "M", count: 33) + " /health HTTP/1.1"), 501),
        FramingCase("absolute form", get("GET http://b/health HTTP/1.1"), 200),
        FramingCase("absolute form with user", get("GET http://u@b/health HTTP/1.1"), 400),
        FramingCase("fragment", get("GET /health#a HTTP/1.1"), 400),
        FramingCase("broken escape", get("GET /health%4 HTTP/1.1"), 400),
        FramingCase("query with brackets", get("GET /health?a[0]={} HTTP/1.1"), 200),
        FramingCase("OPTIONS *", get("OPTIONS * HTTP/1.1"), 404),
        FramingCase("GET *", get("GET * HTTP/1.1"), 400),
        FramingCase("asks to close", "GET /health HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n" + next, 200),
    ]

    @Test("a request gives these answers, however it is cut", arguments: cases)
    func table(_ item: FramingCase) {
        let input = item.input.bytes
        let whole = MachinePlayer.play(input)
        #expect(whole.statuses == item.statuses)
        #expect(MachinePlayer.play(input, pieces: { 1 }) == whole)
        for cut in 1..<input.count {
            var lengths = [cut]
            #expect(MachinePlayer.play(input, pieces: { lengths.popLast() ?? .max }) == whole, "cut at \(cut)")
        }
    }

    @Test("whatever the bytes, no trap, and the cut does not matter")
    func mutations() {
        let seeds = [
            post("Content-Length: 2\r\n", "{}" + next),
            post(
                "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "2;a=\"b\"\r\n{}\r\n0\r\nA: b\r\n\r\n" + next),
            get("GET http://[::1]:80/health?a HTTP/1.1\r\nConnection: close"),
        ].map(\.bytes)
        var generator = TestGenerator(seed: 7)
        let alphabet = "\r\n\t :;,=\"\\/?%*0123abcdefx\0\u{7F}".bytes + [0x80, 0xFF]
        for round in 0..<6000 {
            var input = seeds[round % seeds.count]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<input.count, using: &generator)
                let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: input[place] = byte
                case 1: input.insert(byte, at: place)
                default: input.remove(at: place)
                }
            }
            let whole = MachinePlayer.play(input)
            #expect(MachinePlayer.play(input, pieces: { 1 }) == whole, "\(String(decoding: input, as: UTF8.self))")
        }
    }

    @Test(
        "a Host is a host and a port",
        arguments: [
            ("a", true), ("a:80", true), ("a:", true), ("a.b-c_d~", true), ("127.0.0.1:65535", true), ("%41", true),
            ("[::1]", true), ("[::1]:80", true), ("[1:2:3:4:5:6:7:8]", true), ("[::ffff:1.2.3.4]", true),
            ("[1::]", true),
            ("[::]", true), ("[v1.a:b]", true), ("a,b", true),
            ("", false), (":80", false), ("a:65536", false), ("a:8x", false), ("a b", false), ("a/b", false),
            ("a?", false),
            ("a#", false), ("u@a", false), ("a:1:2", false), ("%4", false), ("[", false), ("[]", false),
            ("[::1", false),
            ("[::1]x", false), ("[1:2:3:4:5:6:7]", false), ("[1:2:3:4:5:6:7:8:9]", false), ("[1::2::3]", false),
            ("[:1:2:3:4:5:6:7]", false), ("[12345::]", false), ("[::1.2.3]", false), ("[::1.2.3.256]", false),
            ("[1:2:3:4:5:6:7::8]", false), ("[:::]", false), ("[v.a]", false), ("é", false),
        ])
    func host(_ value: String, isValid: Bool) {
        let seen = MachinePlayer.play("GET /health HTTP/1.1\r\nHost: \(value)\r\n\r\n".bytes)
        #expect(seen.statuses == [isValid ? 200 : 400])
    }
}
