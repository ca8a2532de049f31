import CompletionsAPI
import Engine
import HTTPTypes
import InferenceTypes
import Testing

@Suite("Answers, whole and streamed")
struct CompletionTests {
    private let paris = ScriptedEngine { _, _ in
        [
            delta(" Par", [5]), delta("", [6]), delta("is.", [7, 8]),
            finished(.endOfSequence(8)),
        ]
    }

    @Test("The whole answer, byte for byte")
    func whole() async {
        let answer = await service(paris).answer(#"{"prompt":"abc","seed":-3}"#)
        #expect(answer.status == 200)
        #expect(
            answer.text == #"{"id":"cmpl-000000000000100000000000","object":"text_completion","created":1767225601,"#
                + #""model":"tiny","system_fingerprint":"fp_2bcbeb66109a37e9","choices":[{"index":0,"text":" Paris.","#
                + #""logprobs":null,"finish_reason":"stop","stop_reason":null,"seed":-3}],"usage":{"prompt_tokens":3,"#
                + #""completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0},"#
                + #""completion_tokens_details":{"generated_tokens":4}}}"#)
    }

    @Test("The stream, byte for byte")
    func streamed() async {
        let answer = await service(paris).answer(
            #"{"prompt":"abc","seed":-3,"stream":true,"stream_options":{"include_usage":true}}"#)
        let head =
            #"data: {"id":"cmpl-000000000000100000000000","object":"text_completion","created":1767225601,"#
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
                + #""prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"generated_tokens":4}}}"#
                + "\n\ndata: [DONE]\n\n")
    }

    @Test(
        "finish_reason and stop_reason",
        arguments: [
            (FinishReason.endOfSequence(2), #""finish_reason":"stop","stop_reason":null"#),
            (.length, #""finish_reason":"length","stop_reason":null"#),
            (.stopString(Array("\né".utf8)), #""finish_reason":"stop","stop_reason":"\né""#),
            (.stopToken(12), #""finish_reason":"stop","stop_reason":12"#),
            (.maxTime, #""finish_reason":"length","stop_reason":"max_time""#),
            (.exhausted, #""finish_reason":"stop","stop_reason":"no_token_left""#),
            (.cancelled, #""finish_reason":"stop","stop_reason":"cancelled""#),
        ])
    func reasons(_ reason: FinishReason, _ members: String) async {
        let engine = ScriptedEngine { _, _ in [finished(reason)] }
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
                .delta(TextDelta(choice: 0, text: [0x61, 0xF0, 0x9F], tokens: [GeneratedToken(id: 1, textOffset: 0)])),
                finished(.length),
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
            ([finished(.failed("The step failed."))], "The step failed."),
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
            [delta("a", [1]), finished(.failed("No \"luck\"."))]
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
}
