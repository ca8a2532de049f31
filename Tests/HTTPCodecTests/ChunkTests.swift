import HTTPCodec
import Testing

@Suite("Chunked bodies")
struct ChunkTests {
    private static let head = "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test(
        "chunks give this body or this status",
        arguments: [
            ("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", 200),
            ("0002\r\n{}\r\n000\r\n\r\n", 200),
            ("2;a\r\n{}\r\n0\r\n\r\n", 200),
            ("2 ; a = b ;c=\"d;\\\"e\"\r\n{}\r\n0;z\r\n\r\n", 200),
            ("2\r\n{}\r\n0\r\nA: b\r\nContent-Length: 5\r\n\r\n", 200),
            ("0\r\n\r\n", 400),  // an empty body, no object
            ("2 \r\n{}\r\n0\r\n\r\n", 400),
            (" 2\r\n{}\r\n0\r\n\r\n", 400),
            ("\r\n{}\r\n0\r\n\r\n", 400),
            ("0x2\r\n{}\r\n0\r\n\r\n", 400),
            ("+2\r\n{}\r\n0\r\n\r\n", 400),
            ("2;\r\n{}\r\n0\r\n\r\n", 400),
            ("2;a=\r\n{}\r\n0\r\n\r\n", 400),
            ("2;a=\"b\r\n{}\r\n0\r\n\r\n", 400),
            ("2;a=\"b\\\r\n{}\r\n0\r\n\r\n", 400),
            ("2;a=\"b\"c\r\n{}\r\n0\r\n\r\n", 400),
            ("2\n{}\r\n0\r\n\r\n", 400),
            ("2\r\n{}\n0\r\n\r\n", 400),
            ("2\r\n{}x\r\n0\r\n\r\n", 400),
            ("2\r\n{}0\r\n\r\n", 400),
            ("2\r\n{}\r\n0\r\nno field\r\n\r\n", 400),
            ("2\r\n{}\r\n0\r\n: b\r\n\r\n", 400),
            ("10000000000000002\r\n{}\r\n0\r\n\r\n", 413),
            ("7fffffffffffffff\r\n{}\r\n0\r\n\r\n", 413),
            ("800001\r\n", 413),
        ])
    func table(_ chunks: String, _ status: Int) {
        let input = (Self.head + chunks).bytes
        let whole = MachinePlayer.play(input)
        #expect(whole.statuses == [status])
        #expect(MachinePlayer.play(input, pieces: { 1 }) == whole)
    }

    @Test("the body is the data of the chunks, and what follows is the next request")
    func joined() {
        let data = [UInt8]((0...255).map { UInt8($0) })
        var input = "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".bytes
        for length in [1, 15, 16, 224] {
            let start = length == 1 ? 0 : length == 15 ? 1 : length == 16 ? 16 : 32
            input += String(length, radix: 16, uppercase: true).bytes + "\r\n".bytes
            input += data[start..<(start + length)] + "\r\n".bytes
        }
        input += "0\r\n\r\nGET /next HTTP/1.1\r\n".bytes
        for pieceLength in [1, 2, 7, 1000] {
            var machine = HTTPConnectionMachine(limits: HTTPLimits(), now: .zero)
            var bodies: [[UInt8]] = []
            for start in stride(from: 0, to: input.count, by: pieceLength) {
                let piece = [UInt8](input[start..<min(start + pieceLength, input.count)])
                if case .deliver(let request) = machine.receive(piece, now: .zero) { bodies.append(request.body) }
            }
            #expect(bodies == [data])
        }
    }
}
