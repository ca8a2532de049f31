import CompletionsAPI
import Engine
import HTTPTypes
import InferenceTypes
import Testing

@Suite("Answers, whole and streamed")
struct CompletionTests {
    private static func delta(_ text: String, _ tokens: [TokenID]) -> GenerationEvent {
        .delta(TextDelta(choice: 0, text: Array(text.utf8), tokens: tokens))
    }

    private let paris = ScriptedEngine { _, _ in
        [
            delta(" Par", [5]), delta("", [6]), delta("is.", [7, 8]),
            .finished(choice: 0, reason: .endOfSequence(8)),
        ]
    }

    @Test("The whole answer, byte for byte")
    func whole() async {
        let answer = await service(paris).answer(#"{"prompt":"abc","seed":-3}"#)
        #expect(answer.status == 200)
        #expect(
            answer.text == #"{"id":"cmpl-000000000000080000000000","object":"text_completion","created":1767225601,"#
                + #""model":"tiny","system_fingerprint":"fp_2bcbeb66109a37e9","choices":[{"index":0,"text":" Paris.","#
                + #""logprobs":null,"finish_reason":"stop","stop_reason":null,"seed":-3}],"usage":{"prompt_tokens":3,"#
                + #""completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0}}}"#)
    }

    @Test("The stream, byte for byte")
    func streamed() async {
        let answer = await service(paris).answer(
            #"{"prompt":"abc","seed":-3,"stream":true,"stream_options":{"include_usage":true}}"#)
        let head =
            #"data: {"id":"cmpl-000000000000080000000000","object":"text_completion","created":1767225601,"#
            + #""model":"tiny","system_fingerprint":"fp_2bcbeb66109a37e9","choices":["#
        func chunk(_ text: String, _ end: String, _ more: String = "") -> String {
            head + #"{"index":0,"text":"\#(text)","logprobs":null,"finish_reason":\#(end),"stop_reason":null"# + more
                + #"}],"usage":null}"# + "\n\n"
        }
        #expect(answer.status == 200)
        #expect(answer.fields[.contentType] == "text/event-stream")
        #expect(
            answer.text == chunk(" Par", "null", #","seed":-3"#) + chunk("is.", "null") + chunk("", #""stop""#)
                + head + #"],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"#
                + #""prompt_tokens_details":{"cached_tokens":0}}}"# + "\n\ndata: [DONE]\n\n")
    }

    @Test(
        "finish_reason and stop_reason",
        arguments: [
            (FinishReason.endOfSequence(2), #""finish_reason":"stop","stop_reason":null"#),
            (.length, #""finish_reason":"length","stop_reason":null"#),
            (.stopString(Array("\né".utf8)), #""finish_reason":"stop","stop_reason":"\né""#),
        ])
    func reasons(_ reason: FinishReason, _ members: String) async {
        let engine = ScriptedEngine { _, _ in [.finished(choice: 0, reason: reason)] }
        #expect(await service(engine).answer(#"{"prompt":"a"}"#).text.contains(members))
        #expect(await service(engine).answer(#"{"prompt":"a","stream":true}"#).text.contains(members))
    }

    @Test("max_tokens 0 answers with empty text")
    func noTokens() async {
        let answer = await service(saying("x")).answer(#"{"prompt":"a","max_tokens":0}"#)
        #expect(answer.text.contains(#""text":"","logprobs":null,"finish_reason":"length""#))
        #expect(answer.text.contains(#""prompt_tokens":1,"completion_tokens":0,"total_tokens":1"#))
    }

    @Test("Usage on every chunk, at the end, or never")
    func usage() async throws {
        func counts(_ options: String) async throws -> [Int64?] {
            let answer = await service(paris).answer(#"{"prompt":"abc","stream":true\#(options)}"#)
            return try #require(answer.events).map { $0["usage"]?["completion_tokens"]?.asInteger }
        }
        #expect(try await counts("") == [nil, nil, nil])
        #expect(try await counts(#","stream_options":{"include_usage":true}"#) == [nil, nil, nil, 4])
        #expect(try await counts(#","stream_options":{"continuous_usage_stats":true}"#) == [nil, nil, nil])
        #expect(
            try await counts(#","stream_options":{"include_usage":true,"continuous_usage_stats":true}"#)
                == [1, 4, 4, 4])
        let answer = await service(paris).answer(#"{"prompt":"abc","stream":true}"#)
        #expect(!answer.text.contains("usage"))
    }

    @Test("Token ids, where asked for: the prompt's once, the generated ones as they come")
    func tokenIDs() async throws {
        let whole = await service(paris).answer(#"{"prompt":"abc","return_token_ids":true}"#)
        #expect(whole.text.contains(#""prompt_token_ids":[97,98,99],"token_ids":[5,6,7,8]"#))
        let stream = await service(paris).answer(#"{"prompt":"abc","return_token_ids":true,"stream":true}"#)
        let choices = try #require(stream.events).compactMap { $0["choices"]?.asArray?.first }
        #expect(choices.map { $0["token_ids"]?.asArray?.compactMap(\.asInteger) } == [[5], [6], [7, 8], []])
        #expect(choices.map { $0["prompt_token_ids"]?.asArray?.count } == [3, nil, nil, nil])
    }

    @Test("Bytes that are no UTF-8 never get out")
    func illFormed() async {
        let engine = ScriptedEngine { _, _ in
            [
                .delta(TextDelta(choice: 0, text: [0x61, 0xF0, 0x9F], tokens: [1])),
                .finished(choice: 0, reason: .length),
            ]
        }
        for stream in ["false", "true"] {
            let answer = await service(engine).answer(#"{"prompt":"a","stream":\#(stream)}"#)
            #expect(String(validating: answer.bytes, as: UTF8.self)?.contains("\"a\u{FFFD}\"") == true)
        }
    }

    @Test(
        "A choice that fails is a 500 when whole",
        arguments: [
            ([.finished(choice: 0, reason: .failed("The step failed."))], "The step failed."),
            ([delta("a", [1]), .finished(choice: 0, reason: .cancelled)], "The server cancelled the request."),
            ([delta("a", [1])], "The generation ended too early."),
            ([], "The generation ended too early."),
        ] as [([GenerationEvent], String)])
    func failedWhole(_ events: [GenerationEvent], _ message: String) async {
        let answer = await service(ScriptedEngine { _, _ in events }).answer(#"{"prompt":"a"}"#)
        #expect(answer.status == 500)
        #expect(answer.message == message)
        #expect(answer.json?["error"]?["type"] == .string(Array("server_error".utf8)))
    }

    @Test("A choice that fails in a stream is an event in vLLM's words, then the end")
    func failedStream() async {
        let engine = ScriptedEngine { _, _ in
            [Self.delta("a", [1]), .finished(choice: 0, reason: .failed("No \"luck\"."))]
        }
        let answer = await service(engine).answer(
            #"{"prompt":"a","stream":true,"stream_options":{"include_usage":true}}"#)
        #expect(answer.status == 200)
        #expect(answer.events?.count == 2)
        #expect(
            answer.text.hasSuffix(
                #"data: {"error":{"message":"No \"luck\".","type":"InternalServerError","param":null,"code":500}}"#
                    + "\n\ndata: [DONE]\n\n"))
    }

    @Test("200 random requests: the stream put together is the whole answer", arguments: 0..<200)
    func streamEqualsWhole(_ seed: UInt64) async throws {
        var random = SplitMix(state: seed)
        let scripts = (0..<Int.random(in: 1...4, using: &random)).map { _ in Self.script(&random) }
        let prompts = scripts.map { _ in #""ab""# }.joined(separator: ",")
        let service = service(ScriptedEngine { _, place in scripts[place % scripts.count] })
        let body = #""prompt":[\#(prompts)],"seed":1,"return_token_ids":true"#
        let whole = try #require(await service.answer("{\(body)}").json)
        let answer = await service.answer(#"{\#(body),"stream":true,"stream_options":{"include_usage":true}}"#)
        let events = try #require(answer.events)
        #expect(events.last?["usage"] == whole["usage"])
        #expect(events.last?["choices"] == .array([]))
        let parts = events.compactMap { $0["choices"]?.asArray?.first }
        let choices = try #require(whole["choices"]?.asArray)
        #expect(choices.count == scripts.count)
        for (index, choice) in choices.enumerated() {
            #expect(choice["index"] == .integer(Int64(index)))
            let mine = parts.filter { $0["index"]?.asInteger == Int64(index) }
            #expect(choice["text"]?.asBytes == mine.flatMap { $0["text"]?.asBytes ?? [] })
            #expect(choice["token_ids"]?.asArray == mine.flatMap { $0["token_ids"]?.asArray ?? [] })
            #expect(mine.map { $0["finish_reason"] }.last == choice["finish_reason"])
            #expect(mine.map { $0["stop_reason"] }.last == choice["stop_reason"])
            #expect(mine.dropLast().allSatisfy { $0["finish_reason"] == .null })
            #expect(mine.compactMap { $0["seed"] } == [.integer(1)])
        }
    }

    private static func script(_ random: inout SplitMix) -> [GenerationEvent] {
        let reasons: [FinishReason] = [.length, .endOfSequence(2), .stopString(Array("é😀".utf8))]
        let deltas = (0..<Int.random(in: 0...6, using: &random)).map { _ in
            GenerationEvent.delta(
                TextDelta(
                    choice: 0, text: random.text(),
                    tokens: (0..<Int.random(in: 0...3, using: &random)).map { _ in .random(in: 0..<100, using: &random)
                    }))
        }
        return deltas + [.finished(choice: 0, reason: reasons[Int.random(in: 0..<3, using: &random)])]
    }
}
