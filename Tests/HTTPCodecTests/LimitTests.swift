import HTTPCodec
import HTTPTypes
import Testing

@Suite("Limits")
struct LimitTests {
    /// Bytes that fill a limit exactly, and the status one more gives.
    struct Case: Sendable, CustomTestStringConvertible {
        var title: String
        var status: Int
        var make: @Sendable (_ excess: Int) -> String
        var testDescription: String { title }
    }

    private static func letters(_ count: Int) -> String { String(repeating: "e", count: count) }

    private static func chunked(_ chunks: String) -> String {
        "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    }

    static let cases = [
        Case(title: "request line", status: 414) { excess in
            let line = "GET /health?" + letters(16384 - 21 + excess) + " HTTP/1.1"
            return line + "\r\nHost: a\r\n\r\n"
        },
        Case(title: "header section", status: 431) { excess in
            // Host takes 9 bytes, the field's name, colon and line end 4.
            "GET /health HTTP/1.1\r\nHost: a\r\nX:" + letters(32768 - 9 - 4 + excess) + "\r\n\r\n"
        },
        Case(title: "fields", status: 431) { excess in
            "GET /health HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 99 + excess) + "\r\n"
        },
        Case(title: "chunk line", status: 413) { excess in
            chunked("2;" + letters(4096 - 2 + excess) + "\r\n{}\r\n0\r\n\r\n")
        },
        Case(title: "chunk extensions together", status: 413) { excess in
            // Four chunks of 4000, then what is left of 16384.
            let spaces = String(repeating: "1;" + letters(3999) + "\r\n \r\n", count: 4)
            return chunked(spaces + "2;" + letters(384 - 1 + excess) + "\r\n{}\r\n0\r\n\r\n")
        },
        Case(title: "trailers", status: 431) { excess in
            chunked("2\r\n{}\r\n0\r\nX:" + letters(8192 - 4 + excess) + "\r\n\r\n")
        },
        Case(title: "body by length", status: 413) { excess in
            let body = "{" + String(repeating: " ", count: (8 << 20) - 2 + excess) + "}"
            return "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body
        },
        Case(title: "body by chunks", status: 413) { excess in
            let half = String(repeating: " ", count: 4 << 20)
            return chunked("1\r\n{\r\n400000\r\n\(half)\r\n" + "3ffffe\r\n\(half.dropLast(2))\r\n")
                + (excess == 0 ? "1\r\n}\r\n0\r\n\r\n" : "2\r\n }\r\n0\r\n\r\n")
        },
    ]

    @Test("full is accepted, one more is refused and the connection closed", arguments: cases)
    func boundary(_ item: Case) {
        let full = MachinePlayer.play(item.make(0).bytes)
        #expect(full.statuses == [200])
        #expect(!full.isClosing)
        let over = MachinePlayer.play(item.make(1).bytes)
        #expect(over.statuses == [item.status])
        #expect(over.isClosing)
        #expect(MachinePlayer.play(item.make(1).bytes, pieces: { 4099 }) == over)
    }

    @Test("a line without an end is refused at the limit, not when its end comes")
    func endless() {
        var player = MachinePlayer()
        player.receive([UInt8](repeating: UInt8(ascii: "A"), count: 16385))
        #expect(player.transcript.statuses == [])
        player.receive([UInt8(ascii: "A")])
        #expect(player.transcript.statuses == [414])
    }

    @Test("a body too large by its length is refused before it comes, without 100")
    func tooLargeToBegin() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 8388609\r\n\r\n"
        let seen = MachinePlayer.play(head.bytes)
        #expect(seen.statuses == [413])
        #expect(seen.interimCount == 0)
    }

    @Test("gzip is inflated up to the limit", arguments: [(0, 200), (1, 413)])
    func inflated(excess: Int, status: Int) {
        let body = "{".bytes + [UInt8](repeating: 32, count: (8 << 20) - 2 + excess) + "}".bytes
        // Stored blocks are longer than the limit themselves, so the limit of the raw body is out of the way.
        var limits = HTTPLimits()
        limits.bodyByteCount = 8 << 20
        let result = Result { () throws(HTTPError) in
            try ContentCoding.gzip.decode(GzipSample.stored(body), limits: limits)
        }
        switch result {
        case .success(let bytes): #expect(status == 200 && bytes == body)
        case .failure(let error): #expect(error.status.code == status)
        }
    }

    @Test("a bomb of 100 MB in 0.6 MB is refused")
    func bomb() {
        let bomb = GzipSample.bomb
        let head =
            "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: \(bomb.count)\r\n\r\n"
        #expect(MachinePlayer.play(head.bytes + bomb).statuses == [413])
    }

    @Test("gzip members may follow one another; damage is refused")
    func members() throws {
        let limits = HTTPLimits()
        let (first, second) = (GzipSample.stored("{".bytes), GzipSample.stored("}".bytes))
        #expect(try ContentCoding.gzip.decode(first + second, limits: limits) == "{}".bytes)
        #expect(try ContentCoding.gzip.decode([], limits: limits) == [])
        var damaged = first
        damaged[damaged.count - 5] ^= 1
        for bad in [damaged, [UInt8](first.dropLast()), first + [0], "{}".bytes] {
            #expect(throws: HTTPError.self) { try ContentCoding.gzip.decode(bad, limits: limits) }
        }
        let zlib: [UInt8] = [0x78, 0x9C, 0xAB, 0xAE, 0x05, 0x00, 0x01, 0x75, 0x00, 0xF9]
        #expect(try ContentCoding.deflate.decode(zlib, limits: limits) == "{}".bytes)
    }
}
