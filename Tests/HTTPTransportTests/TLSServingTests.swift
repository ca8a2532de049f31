import COpenSSL
import HTTPCodec
import HTTPTypes
import Logging
import TestSupport
import Testing

@testable import HTTPTransport

@Suite("Serving through TLS", .serialized, .timeLimit(.minutes(1)))
struct TLSServingTests {
    private static let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test("requests follow each other, also when sent ahead; the last answer's end is announced")
    func keepAlive() async throws {
        try await withServer(tls: serverContext()) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port, tls: TLSPeer())
                defer { client.close() }
                #expect(try client.get("/a").text == "/a")
                client.send((0..<200).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
                for number in 0..<200 { #expect(try client.response().text == "/\(number)") }
                #expect(try client.get("/d", "Connection: close\r\n").head.contains("Connection: close"))
                #expect(try client.receive().isEmpty)
            }
        }
    }

    @Test("a body of 3 MiB comes whole, asked for by 100, and its echo goes back whole")
    func largeBody() async throws {
        // Of a length that no record or read has.
        let body = [UInt8](String(repeating: "a piece of 19 bytes", count: 160_001).utf8)
        let echo: RequestHandler = { ServerResponse(head: HTTPResponse(status: .ok), body: .bytes($0.body)) }
        try await withServer(tls: serverContext(), handler: echo) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port, tls: TLSPeer())
                defer { client.close() }
                client.send(
                    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: \(body.count)\r\n\r\n")
                #expect(try client.head().status == 100)
                client.send(body)
                #expect(try client.response().body == body)
            }
        }
    }

    @Test("each piece of a stream goes out when it is made")
    func streaming() async throws {
        let (pieces, producer) = AsyncStream<[UInt8]>.makeStream()
        let handler: RequestHandler = { _ in stream(pieces) }
        try await withServer(tls: serverContext(), handler: handler) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port, tls: TLSPeer())
                defer { client.close() }
                client.send(Self.request)
                #expect(try client.head().text.contains("Transfer-Encoding: chunked"))
                for piece in ["one", "two", "three"] {
                    producer.yield([UInt8](piece.utf8))
                    #expect(try client.chunk() == [UInt8](piece.utf8))
                }
                producer.finish()
                #expect(try client.chunk() == [])
            }
        }
    }

    @Test("a client that reads slowly gets everything, in order")
    func slowReader() async throws {
        let count = 200
        let handler: RequestHandler = { _ in
            let made = Counter()
            return stream(
                AsyncStream {
                    await made.add(1)
                    let number = await made.value
                    return number <= count ? [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 10000) : nil
                })
        }
        try await withServer(tls: serverContext(), handler: handler) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port, receiveByteCount: 8192, tls: TLSPeer())
                defer { client.close() }
                client.send(Self.request)
                _ = try client.head()
                for number in 1...count {
                    #expect(try client.chunk() == [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 10000))
                }
                #expect(try client.chunk() == [])
            }
        }
    }

    @Test("a client that does not read stops the stream's making, ciphertext counted, and is cut off when it stalls")
    func stalledReader() async throws {
        var limits = HTTPLimits()
        limits.writeStallTimeout = .milliseconds(400)
        let (made, noticed) = (Counter(), Signal())
        let handler = streamOf256MiB(counting: made, cancelled: noticed)
        try await withServer(limits, tls: serverContext(), handler: handler) { listener in
            let client = try await offPool { [port = listener.port] in
                let client = try TestClient(port: port, receiveByteCount: 65536, tls: TLSPeer())
                client.send(Self.request)
                return client
            }
            await noticed.wait()
            #expect(await made.value < (256 + 2 * 128 + 256 + 16) << 10)
            client.close()
        }
    }

    /// How a client goes.
    enum Departure: CaseIterable, Sendable { case closeNotify, close, reset, garbage }

    @Test("a handler whose client has gone is cancelled", arguments: Departure.allCases)
    func hangUp(_ departure: Departure) async throws {
        let (started, noticed) = (Signal(), Signal())
        let handler: RequestHandler = { _ in
            started.fire()
            await untilCancelled()
            noticed.fire()
            return answer("")
        }
        try await withServer(tls: serverContext(), handler: handler) { listener in
            let peer = try TLSPeer()
            let client = try await offPool { [port = listener.port] in
                let client = try TestClient(port: port, tls: peer)
                client.send(Self.request)
                return client
            }
            await started.wait()
            switch departure {
            case .closeNotify: client.sendRaw(peer.end())
            case .close: client.close()
            case .reset: client.reset()
            case .garbage: client.sendRaw([UInt8](repeating: 0x17, count: 100))
            }
            await noticed.wait()
            // A close_notify is answered by one.
            if departure == .closeNotify { try await offPool { () throws in #expect(try client.receive().isEmpty) } }
            if departure == .closeNotify || departure == .garbage { client.close() }
        }
    }

    @Test("a client that makes TLS answer and does not read is not read either, until it does")
    func keyUpdates() async throws {
        var limits = HTTPLimits()
        limits.sendBufferByteCount = 16384
        limits.socketSendBufferByteCount = 32768
        try await withServer(limits, tls: serverContext()) { listener in
            try await offPool { [port = listener.port] in
                let peer = try TLSPeer()
                let client = try TestClient(port: port, receiveByteCount: 32768, tls: peer)
                defer { client.close() }
                client.limitSending(milliseconds: 300)
                var (isTaken, sentCount, rest) = (true, 0, ArraySlice<UInt8>())
                while isTaken, sentCount < 4 << 20 {
                    for _ in 0..<1000 {
                        SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED)
                        SSL_do_handshake(peer.ssl)
                    }
                    rest = peer.takeOutput()[...]
                    sentCount += rest.count
                    isTaken = client.sendRaw(&rest)
                }
                #expect(!isTaken)
                client.limitSending(milliseconds: 1)
                while !client.sendRaw(&rest) { peer.receive(try client.receiveRaw(upTo: 65536)) }
                #expect(try client.get("/a").text == "/a")
            }
        }
    }

    @Test("a handshake that does not come, or not to its end, is cut off in time", arguments: [0, 1, 100])
    func handshakeTimeout(_ byteCount: Int) async throws {
        var limits = HTTPLimits()
        limits.tlsHandshakeTimeout = .milliseconds(100)
        try await withServer(limits, tls: serverContext()) { listener in
            try await offPool { [port = listener.port] in
                let peer = try TLSPeer()
                peer.receive([])
                let client = try TestClient(port: port)
                defer { client.close() }
                client.send([UInt8](peer.takeOutput().prefix(byteCount)))
                #expect(try client.receive().isEmpty)
            }
        }
    }

    @Test("clear text is answered 400 in clear text on a TLS port, and a greeting likewise on a clear one")
    func wrongPort() async throws {
        try await withServer(tls: serverContext()) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                defer { client.close() }
                client.send(Self.request)
                let response = try client.response()
                #expect(response.status == 400 && response.text.contains("This port speaks TLS"))
                #expect(try client.receive().isEmpty)
            }
        }
        try await withServer { listener in
            try await offPool { [port = listener.port] in
                let peer = try TLSPeer()
                peer.receive([])
                let client = try TestClient(port: port)
                defer { client.close() }
                client.send(peer.takeOutput())
                #expect(try client.response().status == 400)
            }
        }
    }

    @Test("an alert tells a client without certificate why")
    func clientCertificate() async throws {
        try await withServer(tls: serverContext(clients: .required)) { listener in
            try await offPool { [port = listener.port] in
                var options = TLSPeer.Options()
                options.identity = "client"
                let known = try TestClient(port: port, tls: TLSPeer(options))
                #expect(try known.get("/a").text == "/a")
                known.close()
                // In 1.3 the client is done before it is judged.
                let unknown = try TestClient(port: port, tls: TLSPeer())
                let failure = #expect(throws: TestClient.Failure.self) { try unknown.get("/a") }
                #expect(failure?.what == "tlsv13 alert certificate required")
                unknown.close()
            }
        }
    }

    @Test("draining and idleness end with close_notify")
    func announcedEnds() async throws {
        var limits = HTTPLimits()
        limits.idleTimeout = .milliseconds(300)
        try await withServer(limits, tls: serverContext()) { listener in
            try await offPool { [port = listener.port] in
                let idle = try TestClient(port: port, tls: TLSPeer())
                #expect(try idle.get("/").status == 200)
                #expect(try idle.receive().isEmpty)
                idle.close()
            }
        }
        let (started, finish) = (Signal(), Signal())
        let handler: RequestHandler = { request in
            guard request.path == [UInt8]("/slow".utf8) else { return answer("") }
            started.fire()
            await finish.wait()
            return answer("finished")
        }
        try await withServer(tls: serverContext(), handler: handler) { listener in
            let (idle, busy) = try await offPool { [port = listener.port] in
                let idle = try TestClient(port: port, tls: TLSPeer())
                _ = try idle.get("/")
                let busy = try TestClient(port: port, tls: TLSPeer())
                busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
                return (idle, busy)
            }
            await started.wait()
            await listener.drain()
            try await offPool { () throws in
                #expect(try idle.receive().isEmpty)
                finish.fire()
                #expect(try busy.response().text == "finished")
                #expect(try busy.receive().isEmpty)
                idle.close()
                busy.close()
            }
        }
    }
}

@Suite("Certificates read anew", .serialized, .timeLimit(.minutes(1)))
struct TLSReloadTests {
    private func name(_ port: Int) throws -> String {
        let peer = try TLSPeer()
        let client = try TestClient(port: port, tls: peer)
        defer { client.close() }
        #expect(try client.get("/new").text == "/new")
        return peer.serverName
    }

    @Test("new connections get the new certificate, open ones go on; what cannot be used changes nothing")
    func reload() async throws {
        let folder = try TemporaryFolder()
        let certificate = try folder.copy("server.pem", as: "certificate")
        let key = try folder.copy("server.key", as: "key")
        let context = try TLSContext(TLSConfiguration(certificatePath: certificate, keyPath: key))
        try await withServer(tls: context) { listener in
            let port = listener.port
            let old = try await offPool {
                #expect(try name(port) == "/CN=server")
                return try TestClient(port: port, tls: TLSPeer())
            }
            // Half of a change: the key does not belong to the certificate yet.
            _ = try folder.copy("renewed.pem", as: "certificate")
            await listener.reloadCertificate()
            try await offPool { () throws in #expect(try name(port) == "/CN=server") }
            _ = try folder.copy("renewed.key", as: "key")
            await listener.reloadCertificate()
            try await offPool { () throws in
                #expect(try name(port) == "/CN=renewed")
                #expect(try old.get("/old").text == "/old")
                old.close()
            }
        }
    }

    @Test("without TLS there is nothing to read anew")
    func noTLS() async throws {
        try await withServer { listener in
            await listener.reloadCertificate()
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                #expect(try client.get("/a").text == "/a")
                client.close()
            }
        }
    }
}
