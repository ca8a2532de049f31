import CompletionsAPI
import Engine
import HTTPCodec
import InferenceTypes
import Testing

@Suite("The record of a completion", .timeLimit(.minutes(1)))
struct RecordTests {
    private func records(
        _ engine: ScriptedEngine, _ body: String, count: Int = 1, read: (ServerResponse) async -> Void
    ) async -> [CompletionRecord] {
        let (records, sink) = AsyncStream.makeStream(of: CompletionRecord.self)
        await read(await service(engine, report: { sink.yield($0) }).respond(to: post(body)))
        var found: [CompletionRecord] = []
        for await record in records {
            found.append(record)
            if found.count == count { break }
        }
        sink.finish()
        for await record in records { found.append(record) }
        return found
    }

    @Test("plain and streamed completions are reported once, with the user and the counts", arguments: [false, true])
    func whole(streamed: Bool) async {
        let body = #"{"prompt":["ab","c"],"user":"u1","stream":\#(streamed)}"#
        let found = await records(saying("x"), body) { _ = await Answer($0) }
        #expect(found.count == 1)
        #expect(found.first?.outcome == .finished)
        #expect(found.first?.user == Array("u1".utf8))
        #expect(found.first?.isStreamed == streamed)
        #expect(found.first?.choiceCount == 2)
        #expect(found.first?.promptTokenCount == 3)
        #expect(found.first?.completionTokenCount == 4)
    }

    @Test("a failure is reported as one, plain and streamed", arguments: [false, true])
    func failed(streamed: Bool) async {
        let engine = ScriptedEngine { _, _ in [finished(.failed("broken"))] }
        let found = await records(engine, #"{"prompt":"a","stream":\#(streamed)}"#) { _ = await Answer($0) }
        #expect(found.map(\.outcome) == [.failed])
    }

    @Test("a client that lets go of its stream has abandoned it")
    func abandoned() async {
        let engine = ScriptedEngine { _, _ in nil }
        let feeding = Task {
            for await admission in engine.admitted {
                admission.events.yield(delta("x", [1]))
                break
            }
        }
        let found = await records(engine, #"{"prompt":"a","stream":true}"#) { _ in }
        await feeding.value
        #expect(found.map(\.outcome) == [.abandoned])
    }

    @Test("a refused request has no record")
    func refused() async {
        let (records, sink) = AsyncStream.makeStream(of: CompletionRecord.self)
        let service = service(saying("x"), report: { sink.yield($0) })
        #expect(await Answer(service.respond(to: post(#"{"prompt":1}"#))).status == 400)
        sink.finish()
        #expect(await records.reduce(into: []) { $0.append($1) } == [])
    }
}
