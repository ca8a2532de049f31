import Foundation
import Testing

@testable import needletail

/// The load generator's client, fed with bytes.
struct BenchResponseTests {
    private struct Read: Equatable {
        var status: Int
        var body: String
        var keepsAlive: Bool
    }

    private static let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
        + "5\r\nhello\r\n6;name=\"a;b\"\r\n, worl\r\n1\r\nd\r\n0\r\nX-Trailer: 1\r\n\r\n"

    private func read(_ text: String, pieceSize: Int, closes: Bool = false) throws -> Read {
        var reader = BenchResponseReader()
        var body: [UInt8] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: pieceSize) {
            #expect(!reader.isComplete)
            try reader.receive(bytes[start..<min(start + pieceSize, bytes.count)], into: &body)
        }
        if closes { try reader.receiveEnd() }
        #expect(reader.isComplete && reader.hasBegun)
        return Read(status: reader.status, body: String(decoding: body, as: UTF8.self), keepsAlive: reader.keepsAlive)
    }

    @Test("the same response in pieces of any size", arguments: [1, 2, 3, 7, 16, 64, 1000])
    func pieces(size: Int) throws {
        #expect(try read(Self.chunked, pieceSize: size) == Read(status: 200, body: "hello, world", keepsAlive: true))
    }

    @Test("a chunk may hold what looks like the end of one")
    func content() throws {
        let text = "HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked \r\n\r\n7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n"
        #expect(try read(text, pieceSize: 1).body == "0\r\n\r\n\r\n")
    }

    @Test(
        "by length, to the end of the connection, without a body, after an interim response",
        arguments: [
            (
                "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\nConnection: close\r\n\r\nbusy", false, 429,
                "busy", false
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, 200, "", true),
            ("HTTP/1.1 200 OK\r\n\r\nall of it", true, 200, "all of it", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false, 200, "ok", false),
            ("HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", true),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, 200, "ok", true),
            ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", false, 200, "ok", true),
        ] as [(String, Bool, Int, String, Bool)])
    func framings(text: String, closes: Bool, status: Int, body: String, keepsAlive: Bool) throws {
        for size in [1, 5, 1000] {
            let expected = Read(status: status, body: body, keepsAlive: keepsAlive)
            #expect(try read(text, pieceSize: size, closes: closes) == expected)
        }
    }

    @Test(
        "what is no response is an error",
        arguments: [
            "SSH-2.0-x\r\n", "HTTP/2 200 OK\r\n", "HTTP/1.1 20x OK\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        ])
    func malformed(text: String) {
        var reader = BenchResponseReader()
        var body: [UInt8] = []
        #expect(throws: BenchResponseError.self) { try reader.receive(Array(text.utf8)[...], into: &body) }
    }

    @Test("lines and heads have a limit")
    func limits() {
        var body: [UInt8] = []
        var reader = BenchResponseReader()
        let long = [UInt8](repeating: 0x61, count: BenchResponseReader.maxLineByteCount + 1)
        #expect(throws: BenchResponseError.self) { try reader.receive(long[...], into: &body) }
        var many = BenchResponseReader()
        let field = "name: " + String(repeating: "v", count: 1000) + "\r\n"
        let head = "HTTP/1.1 200 OK\r\n" + String(repeating: field, count: 300)
        #expect(throws: BenchResponseError.self) { try many.receive(Array(head.utf8)[...], into: &body) }
    }

    @Test(
        "a connection that ends inside a response",
        arguments: [
            "", "HTTP/1.1 200 OK\r\n", String(Self.chunked.dropLast(2)),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        ])
    func truncated(text: String) throws {
        var reader = BenchResponseReader()
        var body: [UInt8] = []
        try reader.receive(Array(text.utf8)[...], into: &body)
        #expect(!reader.isComplete && reader.hasBegun == !text.isEmpty)
        #expect(throws: BenchResponseError.self) { try reader.receiveEnd() }
    }

    @Test("events are cut from pieces of any size", arguments: [1, 2, 5, 100])
    func events(size: Int) throws {
        let text = ": keep alive\n\ndata: {\"a\":1}\n\nevent: x\r\ndata:two\r\n\r\ndata: [DONE]\n\n"
        var reader = BenchEventReader()
        var events: [String] = []
        let bytes = Array(text.utf8)
        for start in stride(from: 0, to: bytes.count, by: size) {
            events += try reader.receive(Array(bytes[start..<min(start + size, bytes.count)]))
                .map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(events == ["{\"a\":1}", "two", "[DONE]"])
    }

    @Test("a stream's times are those of its pieces of text, its tokens what the server counts")
    func exchange() throws {
        let outcome = try play([
            (1_000, "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n: hello\n\n"),
            (2_500, "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\n"),
            (3_000, "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":null}]}\n"),
            (3_700, "\ndata: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"length\"}]}\n\n"),
            (3_800, "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n"),
            (3_900, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":5}}\n\n"),
            (4_000, "data: [DONE]\n\n"),
        ])
        #expect(outcome.failure == nil && outcome.first == 2_500 && outcome.last == 3_700)
        #expect(outcome.gaps == [500, 700] && outcome.ended == 4_000)
        #expect(outcome.outputTokenCount == 5 && outcome.promptTokenCount == 12)
    }

    @Test("without usage, pieces count as tokens; without its end, a stream has failed")
    func incomplete() throws {
        let piece = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
        let outcome = try play([(1, "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"), (2, piece), (3, piece)])
        #expect(outcome.failure == .incomplete && outcome.outputTokenCount == 2)
        let failed = try play([
            (
                1,
                "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\ndata: {\"error\":{\"message\":\"m\"}}\n\ndata: [DONE]\n\n"
            )
        ])
        #expect(failed.failure == .event)
        let refused = try play([(1, "HTTP/1.1 503 Busy\r\nContent-Length: 10000\r\n\r\nlater")])
        #expect(refused.failure == .status(503) && refused.message == "later")
    }

    /// Pieces at their times; the length that they announce is made true.
    private func play(_ pieces: [(UInt64, String)]) throws -> BenchOutcome {
        let all = pieces.map(\.1).joined()
        let bodyCount = all.utf8.count - (all.components(separatedBy: "\r\n\r\n")[0].utf8.count + 4)
        var exchange = BenchExchange(isStream: true, started: 0)
        for (time, text) in pieces {
            let text = text.replacing("Content-Length: 10000", with: "Content-Length: \(bodyCount)")
            try exchange.receive(Array(text.utf8), at: time)
        }
        #expect(exchange.isComplete)
        return exchange.outcome
    }
}
