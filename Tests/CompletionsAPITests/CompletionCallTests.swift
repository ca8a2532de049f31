import CompletionsAPI
import Engine
import InferenceTypes
import Testing

/// The way of the command line: the call without HTTP around it.
@Suite("A call without a server")
struct CompletionCallTests {
    /// Runs one after the other, each choice put together.
    private func texts(_ body: String, _ engine: ScriptedEngine) async throws -> [[UInt8]] {
        let model = model(engine, contextCount: 256, capacity: 2)
        let members = try JSONParser.parse(Array(body.utf8), limits: .request).asObject ?? []
        let call = try CompletionCall(members, model: model, unknownFields: .refuse, random: { 0 })
        var feed = ChoiceFeed(call)
        var texts = Array(repeating: [UInt8](), count: call.prompts.count * call.generatedChoiceCount)
        for (run, request) in call.runs.enumerated() {
            for await event in try model.generate(request.request).events {
                for part in try feed.receive(event, run: run) { texts[part.index] += part.shownText }
            }
            try feed.receiveEnd(run: run)
        }
        #expect(feed.isFinished)
        return texts
    }

    @Test(
        "It says what the server says",
        arguments: [
            #"{"prompt":"ab","n":5,"seed":3,"echo":true}"#, #"{"prompt":["a","b"],"temperature":0,"n":2,"seed":3}"#,
            #"{"prompt":"ab","num_beams":2,"n":2,"seed":3,"echo":true,"max_tokens":40}"#,
        ])
    func sameAsServer(_ body: String) async throws {
        let answer = await service(playedEngine(order: 1), contextCount: 256).answer(body)
        let served = try #require(answer.json?["choices"]?.asArray).map { $0["text"]?.asBytes }
        #expect(try await texts(body, playedEngine(order: 2)) == served)
    }

    @Test("A run that ends too early, or fails, is an error that can be told")
    func failures() async throws {
        let body = #"{"prompt":"a"}"#
        let early = await #expect(throws: APIError.self) {
            try await texts(body, ScriptedEngine { _, _ in [delta("x", [1])] })
        }
        #expect(early?.message == "The generation ended too early.")
        let failed = await #expect(throws: APIError.self) {
            try await texts(body, ScriptedEngine { _, _ in [finished(.failed("The step failed."))] })
        }
        #expect(failed?.message == "The step failed.")
    }
}
