import HTTPCodec
import HTTPTransport
import ServiceLifecycle
import Testing

@Suite("Stopping", .serialized, .timeLimit(.minutes(1)))
struct DrainTests {
    @Test("running requests finish, idle connections close, new ones are refused")
    func drain() async throws {
        let (started, finish) = (Signal(), Signal())
        let handler: RequestHandler = { request in
            guard request.path == [UInt8]("/slow".utf8) else { return answer("") }
            started.fire()
            await finish.wait()
            return answer("finished")
        }
        try await withServer(handler: handler) { listener in
            let port = listener.port
            let (idle, busy) = try await offPool {
                let idle = try TestClient(port: port)
                _ = try idle.get("/")
                let busy = try TestClient(port: port)
                busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
                return (idle, busy)
            }
            await started.wait()
            await listener.drain()
            try await offPool {
                #expect(try idle.receive().isEmpty)
                #expect(throws: TestClient.Failure.self) { try TestClient(port: port) }
                finish.fire()
                let response = try busy.response()
                #expect(response.text == "finished")
                #expect(response.head.contains("Connection: close"))
                #expect(try busy.receive().isEmpty)
                idle.close()
                busy.close()
            }
        }
    }

    @Test("what runs past the limit is told, then cut")
    func drainLimit() async throws {
        var limits = HTTPLimits()
        limits.drainTimeout = .milliseconds(100)
        let (pieces, producer) = AsyncStream<[UInt8]>.makeStream()
        let (started, cancelled) = (Signal(), Signal())
        let lastWord: @Sendable () -> Void = { producer.yield([UInt8]("too late".utf8)) }
        let handler: RequestHandler = { request in
            if request.path == [UInt8]("/stream".utf8) { return stream(pieces) }
            started.fire()
            await untilCancelled()
            cancelled.fire()
            return answer("")
        }
        try await withServer(limits, onDrainTimeout: lastWord, handler: handler) { listener in
            let (deaf, streaming) = try await offPool { [port = listener.port] in
                let deaf = try TestClient(port: port)
                deaf.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                let streaming = try TestClient(port: port)
                streaming.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
                _ = try streaming.head()
                return (deaf, streaming)
            }
            await started.wait()
            await listener.drain()
            try await offPool {
                let (last, rest) = (try streaming.chunk(), try streaming.receiveAll())
                #expect(last == [UInt8]("too late".utf8))
                #expect(rest.isEmpty)
                deaf.close()
                streaming.close()
            }
            await cancelled.wait()
        }
    }

    @Test("a service group's graceful shutdown ends it")
    func service() async throws {
        var configuration = ListenerConfiguration()
        configuration.port = 0
        let listener = try Listener(configuration, logger: quietLogger) { _ in answer("") }
        let group = ServiceGroup(services: [listener], logger: quietLogger)
        let running = Task { try await group.run() }
        try await offPool { [port = listener.port] in
            let client = try TestClient(port: port)
            #expect(try client.get("/").status == 200)
            client.close()
        }
        await group.triggerGracefulShutdown()
        try await running.value
    }
}
