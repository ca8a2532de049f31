import HTTPCodec
import HTTPTransport
import HTTPTypes
import Testing

@Suite("Serving over a socket", .serialized, .timeLimit(.minutes(1)))
struct ServingTests {
    @Test("a connection serves one request after another")
    func keepAlive() async throws {
        try await withServer { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                defer { client.close() }
                for path in ["/a", "/b", "/c"] {
                    #expect(try client.get(path).text == path)
                }
                #expect(try client.get("/d", "Connection: close\r\n").head.contains("Connection: close"))
                #expect(try client.receive().isEmpty)
            }
        }
    }

    @Test("requests sent ahead are answered in order")
    func pipelining() async throws {
        try await withServer { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                defer { client.close() }
                client.send((0..<200).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined())
                for number in 0..<200 { #expect(try client.response().text == "/\(number)") }
            }
        }
    }

    @Test("a body of 3 MiB comes whole, asked for by 100, and its echo goes back whole")
    func largeBody() async throws {
        let body = [UInt8]((0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) })
        let echo: RequestHandler = { ServerResponse(head: HTTPResponse(status: .ok), body: .bytes($0.body)) }
        try await withServer(handler: echo) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                defer { client.close() }
                client.send(
                    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: \(body.count)\r\n\r\n")
                #expect(try client.head().status == 100)
                client.send(body)
                #expect(try client.response().body == body)
            }
        }
    }

    @Test("each piece of a stream goes out when it is made, and the connection lives on")
    func streaming() async throws {
        let (pieces, producer) = AsyncStream<[UInt8]>.makeStream()
        let handler: RequestHandler = { $0.path == [UInt8]("/s".utf8) ? stream(pieces) : answer("plain") }
        try await withServer(handler: handler) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                defer { client.close() }
                client.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.head().text.contains("Transfer-Encoding: chunked"))
                for piece in ["one", "two", "three"] {
                    producer.yield([UInt8](piece.utf8))
                    #expect(try client.chunk() == [UInt8](piece.utf8))
                }
                producer.finish()
                #expect(try client.chunk() == [])
                #expect(try client.get("/").text == "plain")
            }
        }
    }

    @Test("a refused upload gets its answer although it goes on sending")
    func lingering() async throws {
        try await withServer { listener in
            try await offPool { [port = listener.port] in
                for _ in 0..<20 {
                    let client = try TestClient(port: port)
                    defer { client.close() }
                    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
                    client.send([UInt8](repeating: 0, count: 200_000))
                    let response = try client.response()
                    #expect(response.status == 413)
                    #expect(response.text.hasPrefix(#"{"error":{"message":"#))
                    #expect(try client.receive().isEmpty)
                }
            }
        }
    }

    @Test("a head that does not come in time is answered 408")
    func headerTimeout() async throws {
        var limits = HTTPLimits()
        limits.headerTimeout = .milliseconds(100)
        try await withServer(limits) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                defer { client.close() }
                client.send("GET / HT")
                #expect(try client.response().status == 408)
                #expect(try client.receive().isEmpty)
            }
        }
    }

    @Test("an idle connection is closed in time")
    func idleTimeout() async throws {
        var limits = HTTPLimits()
        limits.idleTimeout = .milliseconds(100)
        try await withServer(limits) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                defer { client.close() }
                #expect(try client.receive().isEmpty)
            }
        }
    }

    @Test("at the connection limit the one idle for longest makes room; the busy stay")
    func connectionLimit() async throws {
        var limits = HTTPLimits()
        limits.connectionCount = 3
        let (pieces, producer) = AsyncStream<[UInt8]>.makeStream()
        let handler: RequestHandler = { $0.path == [UInt8]("/s".utf8) ? stream(pieces) : answer("plain") }
        try await withServer(limits, handler: handler) { listener in
            try await offPool { [port = listener.port] in
                let busy = try TestClient(port: port)
                busy.send("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try busy.head()
                let first = try TestClient(port: port)
                #expect(try first.get("/").status == 200)
                let second = try TestClient(port: port)
                #expect(try second.get("/").status == 200)
                let third = try TestClient(port: port)
                #expect(try third.get("/").status == 200)
                #expect(try first.receive().isEmpty)
                producer.yield([65])
                #expect(try busy.chunk() == [65])
                for client in [busy, first, second, third] { client.close() }
            }
        }
    }
}

@Suite("Listening", .timeLimit(.minutes(1)))
struct ListeningTests {
    private func listener(_ host: String, _ port: Int) throws(ListenerError) -> Listener {
        var configuration = ListenerConfiguration()
        (configuration.host, configuration.port) = (host, port)
        return try Listener(configuration, logger: quietLogger) { _ in answer("") }
    }

    @Test("port 0 finds a port; a taken one is told", arguments: ["127.0.0.1", "localhost"])
    func ports(_ host: String) throws {
        let first = try listener(host, 0)
        #expect(first.port > 0)
        #expect(throws: ListenerError.portTaken(host: host, port: first.port)) { try listener(host, first.port) }
        withExtendedLifetime(first) {}
    }

    @Test("what is no address is told", arguments: ["example.org", "1.2.3", "[::1", "", "::1%lo "])
    func hosts(_ host: String) {
        #expect(throws: ListenerError.unknownHost(host)) { try listener(host, 0) }
    }

    @Test("what is no port is told", arguments: [-1, 65536])
    func ports(_ port: Int) {
        #expect(throws: ListenerError.invalidPort(port)) { try listener("127.0.0.1", port) }
    }

    @Test("errors are one line for the operator")
    func descriptions() {
        #expect(
            ListenerError.portTaken(host: "::1", port: 80).description
                == "cannot listen on ::1 port 80: another process listens there")
    }
}
