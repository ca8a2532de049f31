import CompletionsAPI
import Engine
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Testing

@Suite("Clients that hang up, and silence", .timeLimit(.minutes(1)))
struct CancellationTests {
    private static func body(_ response: ServerResponse) throws -> AsyncStream<[UInt8]> {
        guard case .stream(let pieces) = response.body else { throw NoStream() }
        return pieces
    }

    private struct NoStream: Error {}

    private let twoStreamed = post(#"{"prompt":["a","b"],"stream":true}"#)

    /// The body of a stream for two prompts whose first one has said "x", and both engine streams.
    private func begun(
        _ engine: ScriptedEngine
    ) async throws -> (body: AsyncStream<[UInt8]>, engines: [AsyncStream<GenerationEvent>.Continuation]) {
        async let response = service(engine).respond(to: twoStreamed)
        var engines: [AsyncStream<GenerationEvent>.Continuation] = []
        for await admission in engine.admitted {
            engines.append(admission.events)
            if engines.count == 2 { break }
        }
        engines[0].yield(delta("x", [1]))
        return (try Self.body(await response), engines)
    }

    @Test("A body that nobody reads ends its engine streams when it is let go of")
    func unread() async throws {
        let engine = ScriptedEngine { _, _ in nil }
        do { _ = try await begun(engine) }
        #expect(await engine.cancelled(2) == [0, 1])
    }

    @Test("Reading stops in the middle: the engine streams end")
    func stopped() async throws {
        let engine = ScriptedEngine { _, place in place == 0 ? nil : [finished(.length)] }
        do {
            let body = try Self.body(await service(engine).respond(to: twoStreamed))
            for await piece in body {
                #expect(!piece.isEmpty)
                break
            }
        }
        #expect(await engine.cancelled(1) == [0])
    }

    @Test("The reading task is cancelled while it waits: the engine streams end, and so does the body")
    func cancelledStream() async throws {
        let engine = ScriptedEngine { _, _ in nil }
        let body = try await begun(engine).body
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let reader = Task {
            var pieces: [[UInt8]] = []
            for await piece in body {
                pieces.append(piece)
                start.yield()
            }
            return pieces.count
        }
        for await _ in started { break }
        reader.cancel()
        #expect(await engine.cancelled(2) == [0, 1])
        #expect(await reader.value == 1)
    }

    @Test("The handler's task is cancelled while a whole answer is made: the engine streams end")
    func cancelledWhole() async {
        let engine = ScriptedEngine { _, _ in nil }
        let handler = Task { await service(engine).respond(to: post(#"{"prompt":["a","b","c"]}"#)) }
        var count = 0
        for await _ in engine.admitted {
            count += 1
            if count == 3 { break }
        }
        handler.cancel()
        #expect(await engine.cancelled(3) == [0, 1, 2])
        #expect(await handler.value.head.status == .internalServerError)
    }

    @Test(
        "One prompt is refused: those before it are cancelled, and the client hears why", arguments: ["false", "true"])
    func refusedLater(_ stream: String) async {
        let engine = ScriptedEngine { (_, place) throws(AdmissionError) in
            if place == 2 { throw .queueFull(retryAfter: 1) }
            return nil
        }
        let answer = await service(engine).answer(#"{"prompt":["a","b","c","d"],"stream":\#(stream)}"#)
        #expect(answer.status == 429)
        #expect(await engine.cancelled(2) == [0, 1])
    }

    @Test("One choice fails: the others are cancelled", arguments: ["false", "true"])
    func failedOne(_ stream: String) async {
        let engine = ScriptedEngine { _, place in
            place == 1 ? [finished(.failed("The step failed."))] : nil
        }
        let answer = await service(engine).answer(#"{"prompt":["a","b","c"],"stream":\#(stream)}"#)
        #expect(answer.text.contains("The step failed."))
        #expect(await engine.cancelled(2) == [0, 2])
    }

    @Test("Two prompts' chunks come in the order of their events")
    func interleaved() async throws {
        let engine = ScriptedEngine { _, _ in nil }
        let (body, engines) = try await begun(engine)
        var pieces = body.makeAsyncIterator()
        _ = await pieces.next()
        for (place, text) in [(0, "p"), (1, "q"), (1, "r"), (0, "s")] {
            engines[place].yield(delta(text, [1]))
            let piece = String(decoding: await pieces.next() ?? [], as: UTF8.self)
            #expect(piece.contains(#""index":\#(place),"text":"\#(text)""#))
        }
    }

    @Test(
        "Silence is filled with comments, before the first chunk and between chunks, and not where something was said")
    func pings() async throws {
        let (ticks, clock) = AsyncStream.makeStream(of: Void.self)
        let engine = ScriptedEngine { _, _ in nil }
        let pause: @Sendable (Duration) async throws -> Void = { duration in
            #expect(duration == .seconds(15))
            var iterator = ticks.makeAsyncIterator()
            guard await iterator.next() != nil else { throw CancellationError() }
        }
        clock.yield()
        let body = try Self.body(
            await service(engine, maxQueueTime: nil, pause: pause).respond(
                to: post(#"{"prompt":"a","stream":true}"#)))
        var pieces = body.makeAsyncIterator()
        let ping = Array(": ping\n\n".utf8)
        #expect(await pieces.next() == ping)
        clock.yield()
        #expect(await pieces.next() == ping)
        for await admission in engine.admitted {
            for _ in 0..<2 {
                admission.events.yield(delta("x", [1]))
                #expect(await pieces.next()?.starts(with: Array("data: {".utf8)) == true)
                // The first tick finds that something was said, the second that nothing was since.
                clock.yield()
                clock.yield()
                #expect(await pieces.next() == ping)
            }
            admission.events.yield(finished(.length))
            break
        }
        #expect(String(decoding: await pieces.next() ?? [], as: UTF8.self).hasSuffix("data: [DONE]\n\n"))
        #expect(await pieces.next() == nil)
    }
}
