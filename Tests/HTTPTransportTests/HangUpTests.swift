import HTTPCodec
import HTTPTransport
import Testing

/// How a client goes.
enum Departure: String, CaseIterable, Sendable {
    case close, reset, halfClose

    func leave(_ client: TestClient) {
        switch self {
        case .close: client.close()
        case .reset: client.reset()
        case .halfClose: client.shutdownSending()
        }
    }
}

@Suite("Clients that go or do not read", .serialized, .timeLimit(.minutes(1)))
struct HangUpTests {
    private static let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    /// Sends, waits for the handler to be busy, leaves, and measures how long the server takes to notice.
    private func measure(
        _ departure: Departure, sending text: String = request, started: Signal, noticed: Signal,
        handler: @escaping RequestHandler
    ) async throws {
        try await withServer(handler: handler) { listener in
            let client = try await offPool { [port = listener.port] in
                let client = try TestClient(port: port)
                client.send(text)
                return client
            }
            await started.wait()
            let left = ContinuousClock.now
            departure.leave(client)
            await noticed.wait()
            #expect(ContinuousClock.now - left < .seconds(1))
            if departure == .halfClose { client.close() }
        }
    }

    @Test("a handler that still works is cancelled", arguments: Departure.allCases)
    func handler(_ departure: Departure) async throws {
        let (started, noticed) = (Signal(), Signal())
        try await measure(departure, started: started, noticed: noticed) { _ in
            started.fire()
            await untilCancelled()
            noticed.fire()
            return answer("")
        }
    }

    @Test("so it is when the client has sent more than is read ahead", arguments: Departure.allCases)
    func pausedReading(_ departure: Departure) async throws {
        let (started, noticed) = (Signal(), Signal())
        let ahead = Self.request + String(repeating: "x", count: 100_000)
        try await measure(departure, sending: ahead, started: started, noticed: noticed) { _ in
            started.fire()
            await untilCancelled()
            noticed.fire()
            return answer("")
        }
    }

    @Test("a stream that has nothing to say ends", arguments: Departure.allCases)
    func silentStream(_ departure: Departure) async throws {
        let (started, noticed) = (Signal(), Signal())
        try await measure(departure, started: started, noticed: noticed) { _ in
            stream(
                AsyncStream { continuation in
                    continuation.onTermination = { _ in noticed.fire() }
                    continuation.yield([65])
                    started.fire()
                })
        }
    }

    @Test("a stream that is pulled ends, and one made after the departure too", arguments: [true, false])
    func pulledStream(isLate: Bool) async throws {
        let (started, noticed) = (Signal(), Signal())
        try await measure(.close, started: started, noticed: noticed) { _ in
            started.fire()
            if isLate { await untilCancelled() }
            return stream(
                AsyncStream {
                    await untilCancelled()
                    return nil
                } onCancel: {
                    noticed.fire()
                })
        }
    }

    @Test("a client that does not read stops the stream's making, and is cut off when it stalls")
    func stalledReader() async throws {
        var limits = HTTPLimits()
        limits.writeStallTimeout = .milliseconds(400)
        let (made, noticed) = (Counter(), Signal())
        let handler = streamOf256MiB(counting: made, cancelled: noticed)
        try await withServer(limits, handler: handler) { listener in
            let client = try await offPool { [port = listener.port] in
                let client = try TestClient(port: port, receiveByteCount: 65536)
                client.send(Self.request)
                return client
            }
            await noticed.wait()
            // Our buffer, the kernel's for sending (doubled by it), the client's, and a piece.
            #expect(await made.value < (256 + 2 * 128 + 256 + 16) << 10)
            client.close()
        }
    }

    @Test("a client that reads slowly gets everything, in order")
    func slowReader() async throws {
        let count = 400
        let handler: RequestHandler = { _ in
            let made = Counter()
            return stream(
                AsyncStream {
                    await made.add(1)
                    let number = await made.value
                    return number <= count ? [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 10000) : nil
                })
        }
        try await withServer(handler: handler) { listener in
            try await offPool { [port = listener.port] in
                let client = try TestClient(port: port, receiveByteCount: 8192)
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
}
