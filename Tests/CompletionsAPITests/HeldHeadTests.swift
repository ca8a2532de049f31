import CompletionsAPI
import Engine
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Testing

@Suite("Overload, and the head of a stream, which waits for the engine", .timeLimit(.minutes(1)))
struct HeldHeadTests {
    private static let streamed = #"{"prompt":"a","stream":true}"#

    private static let busy: EngineStatistics = {
        var statistics = EngineStatistics()
        statistics.retryAfterSeconds = 9
        return statistics
    }()

    @Test("A request that waits for too long is a plain 503 with Retry-After", arguments: ["false", "true"])
    func queueTimeout(_ stream: String) async {
        let engine = ScriptedEngine { _, _ in [finished(.queueTimeout)] }
        let answer = await service(engine, statistics: Self.busy).answer(#"{"prompt":"a","stream":\#(stream)}"#)
        #expect(answer.status == 503)
        #expect(answer.fields[.retryAfter] == "9")
        #expect(answer.fields[.contentType] == "application/json")
        #expect(
            answer.text == #"{"error":{"message":"The request waited 60 s, the longest that one may, and its turn did "#
                + #"not come. Try again in 9 s.","type":"server_error","param":null,"code":"server_overloaded"}}"#)
    }

    @Test(
        "An error that comes first is a plain error, whatever was asked for",
        arguments: [
            ([finished(.failed("The step failed."))], "The step failed."), ([], "The generation ended too early."),
        ] as [([GenerationEvent], String)])
    func failedFirst(_ events: [GenerationEvent], _ message: String) async {
        let answer = await service(ScriptedEngine { _, _ in events }).answer(Self.streamed)
        #expect(answer.status == 500)
        #expect(answer.fields[.contentType] == "application/json")
        #expect(answer.message == message)
    }

    /// A clock that ticks often.
    private static let fast: @Sendable (Duration) async throws -> Void = { _ in
        try await Task.sleep(for: .milliseconds(1))
    }

    @Test("However long a request waits, the queue's end is a plain 503 with Retry-After")
    func ticksWhileWaiting() async throws {
        let engine = ScriptedEngine { _, _ in nil }
        async let answer = service(engine, statistics: Self.busy, pause: Self.fast).answer(Self.streamed)
        for await admission in engine.admitted {
            try await Task.sleep(for: .milliseconds(50))
            admission.events.yield(finished(.queueTimeout))
            break
        }
        #expect(await answer.status == 503)
        #expect(await answer.fields[.retryAfter] == "9")
    }

    @Test("Who has started, or may wait for ever, is kept alive by comments", arguments: [true, false])
    func tickFirst(_ hasStarted: Bool) async throws {
        let engine = ScriptedEngine { _, _ in nil }
        let service = service(
            engine, statistics: Self.busy, maxQueueTime: hasStarted ? .seconds(60) : nil, pause: Self.fast)
        async let response = service.respond(to: post(Self.streamed))
        for await admission in engine.admitted {
            if hasStarted { admission.events.yield(.started(waited: .zero)) }
            #expect(await response.head.status == .ok)
            #expect(await response.head.headerFields[.contentType] == "text/event-stream")
            admission.events.yield(finished(.failed("Later.")))
            break
        }
        let answer = await Answer(await response)
        #expect(answer.text.hasPrefix(": ping\n\n"))
        let error = try #require(answer.events?.first?["error"])
        #expect(answer.events?.count == 1)
        #expect(error["code"] == .integer(500) && error["message"] == .text("Later."))
    }

    @Test("One prompt has begun: what the queue does to the other is an event in the stream")
    func otherPrompt() async throws {
        let engine = ScriptedEngine { _, _ in nil }
        async let response = service(engine).respond(to: post(#"{"prompt":["a","b"],"stream":true}"#))
        var admissions = engine.admitted.makeAsyncIterator()
        await admissions.next()?.events.yield(delta("x", [1]))
        #expect(await response.head.status == .ok)
        await admissions.next()?.events.yield(finished(.queueTimeout))
        let answer = await Answer(await response)
        #expect(answer.events?.count == 2)
        #expect(answer.events?.last?["error"]?["code"] == .integer(503))
        #expect(await engine.cancelled(2) == [0, 1])
    }

    @Test("Text that is held back says that the request has started")
    func heldBack() async {
        let engine = ScriptedEngine { _, _ in [delta("", [1]), finished(.failed("Later."))] }
        let answer = await service(engine).answer(Self.streamed)
        #expect(answer.status == 200)
        #expect(answer.events?.count == 1)
    }

    @Test("A client that hangs up while the head is held cancels its request, and has abandoned it")
    func hangUp() async {
        let (records, sink) = AsyncStream.makeStream(of: CompletionRecord.self)
        let engine = ScriptedEngine { _, _ in nil }
        let held = service(engine, report: { sink.yield($0) })
        let handler = Task { await held.respond(to: post(Self.streamed)) }
        for await _ in engine.admitted { break }
        handler.cancel()
        #expect(await engine.cancelled(1) == [0])
        for await record in records {
            #expect(record.outcome == .abandoned)
            break
        }
    }

    @Test("A completion is cancelled by its id while its head is held")
    func cancelledByID() async {
        let engine = ScriptedEngine { _, _ in nil }
        let service = service(engine)
        async let answer = service.answer(#"{"prompt":"a","stream":true,"request_id":"x"}"#)
        for await _ in engine.admitted { break }
        let cancel = await Answer(service.respond(to: request("POST", "/v1/completions/cmpl-x/cancel")))
        #expect(cancel.status == 200)
        #expect(await answer.status == 200)
        #expect(await answer.text.contains(#""stop_reason":"cancelled""#))
    }

    @Test("A full queue is said before the body is read, on completions alone")
    func fullQueue() async {
        let service = service(saying("x"), queueFullRetry: 4)
        for body in [#"{"prompt":"a"}"#, "no JSON", #"{"prompt":1}"#] {
            let answer = await service.answer(body)
            #expect(answer.status == 429)
            #expect(answer.fields[.retryAfter] == "4")
            #expect(answer.code == "server_overloaded")
            #expect(answer.message == "Too many requests are waiting. Try again in 4 s.")
        }
        #expect(await Answer(service.respond(to: request("GET", "/health"))).status == 200)
    }

    @Test("The record says that a request expired", arguments: ["false", "true"])
    func record(_ stream: String) async {
        let (records, sink) = AsyncStream.makeStream(of: CompletionRecord.self)
        let engine = ScriptedEngine { _, _ in [finished(.queueTimeout)] }
        _ = await service(engine, report: { sink.yield($0) }).answer(#"{"prompt":"a","stream":\#(stream)}"#)
        sink.finish()
        #expect(await records.reduce(into: []) { $0.append($1.outcome) } == [.expired])
    }
}
