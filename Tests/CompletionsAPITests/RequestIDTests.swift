import CompletionsAPI
import Engine
import Foundation
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Testing

@Suite("Ids of requests, and completions that run under them", .timeLimit(.minutes(1)))
struct RequestIDTests {
    private let name = HTTPField.Name("X-Request-Id") ?? .accept

    @Test(
        "The body's id names the completion; the header's is echoed, or else the body's",
        arguments: [
            ("h-1", #","request_id":"b/1""#, "h-1", "cmpl-b/1"), (nil, #","request_id":"b/1""#, "b/1", "cmpl-b/1"),
            ("h 1", #","request_id":"b/1""#, "b/1", "cmpl-b/1"), ("h-1", "", "h-1", nil),
            (nil, #","request_id":null"#, nil, nil),
        ] as [(String?, String, String?, String?)])
    func names(_ header: String?, _ member: String, _ echoed: String?, _ id: String?) async throws {
        for stream in ["false", "true"] {
            var request = post(#"{"prompt":"a","stream":\#(stream)\#(member)}"#)
            if let header { request.head.headerFields[name] = header }
            let answer = await Answer(service(saying("x")).respond(to: request))
            #expect(answer.status == 200)
            let got = answer.fields[name]
            #expect(echoed == nil ? got?.hasPrefix("req-") == true : got == echoed)
            #expect(answer.text.contains(#""id":"\#(id ?? "cmpl-0000")"#))
        }
    }

    @Test("It is echoed where the engine refuses, too")
    func refused() async {
        let engine = ScriptedEngine { (_, _) throws(AdmissionError) in throw .queueFull(retryAfter: 1) }
        let answer = await service(engine).answer(#"{"prompt":"a","request_id":"b"}"#)
        #expect(answer.status == 429)
        #expect(answer.fields[name] == "b")
    }

    @Test("An id is taken while its completion runs, and free after it: answered, refused or let go of")
    func duplicate() async throws {
        let engine = ScriptedEngine { (_, place) throws(AdmissionError) in
            switch place {
            case 0, 2: return nil
            case 1: throw .draining
            default: return [finished(.length)]
            }
        }
        let service = service(engine)
        let body = #"{"prompt":"a","stream":true,"request_id":"one"}"#
        let plain = #"{"prompt":"a","request_id":"one"}"#
        async let first = service.answer(body)
        var admissions = engine.admitted.makeAsyncIterator()
        let running = try #require(await admissions.next())
        let second = await service.answer(plain)
        #expect(second.status == 400)
        #expect(second.parameter == "request_id")
        running.events.yield(finished(.length))
        #expect(await first.status == 200)
        #expect(await service.answer(plain).status == 503)
        do {
            async let abandoned = service.respond(to: post(body))
            await admissions.next()?.events.yield(delta("x", [1]))
            #expect(await abandoned.head.status == .ok)
        }
        #expect(await engine.cancelled(2) == [0, 2])
        // Letting go is heard of a moment later.
        while await service.answer(plain).status == 400 { await Task.yield() }
        #expect(await service.answer(plain).status == 200)
        #expect(await service.answer(plain).status == 200)
    }

    @Test("An entry that ends late leaves the next one with its id alone")
    func lateEnd() async throws {
        let live = LiveCompletions()
        let first = try #require(await live.reserve([1]))
        #expect(await live.reserve([1]) == nil)
        await first.end()
        let second = try #require(await live.reserve([1]))
        await first.end()
        #expect(await live.cancel([1]))
        await second.end()
        #expect(await live.cancel([1]) == false)
    }

    @Test("What is cancelled before the engine took it is cancelled then")
    func cancelledEarly() async throws {
        let live = LiveCompletions()
        let (cancels, sink) = AsyncStream.makeStream(of: Int.self)
        let entry = try #require(await live.reserve([1]))
        #expect(await live.cancel([1]))
        await entry.attach([{ sink.yield(1) }, { sink.yield(2) }])
        sink.finish()
        #expect(await cancels.reduce(into: []) { $0.append($1) } == [1, 2])
    }

    @Test("A call with several requests to the engine is cancelled whole", arguments: ["false", "true"])
    func cancelled(_ stream: String) async throws {
        let engine = ScriptedEngine { _, _ in nil }
        let service = service(engine, capacity: 2)
        async let answer = service.answer(#"{"prompt":["a","b"],"n":3,"stream":\#(stream),"request_id":"x"}"#)
        var count = 0
        for await _ in engine.admitted {
            count += 1
            if count == 4 { break }
        }
        let cancel = await Answer(service.respond(to: request("POST", "/v1/completions/cmpl-x/cancel")))
        #expect(cancel.status == 200)
        let text = await answer.text
        #expect(text.components(separatedBy: #""finish_reason":"stop","stop_reason":"cancelled""#).count == 7)
    }
}
