import CompletionsAPI
import Engine
import InferenceTypes
import Testing
import Tokenization

@Suite("Prompts: what the engine gets and what echo shows")
struct PromptTests {
    private func prompts(
        _ members: String, tokenizer: Tokenizer = TestTokenizer.full
    ) throws -> [CompletionCall.Prompt] {
        let body = try JSONParser.parse(Array("{\(members)}".utf8), limits: .request)
        return try CompletionCall(
            body.asObject ?? [], model: model(saying("x"), tokenizer: tokenizer), unknownFields: .refuse, random: { 0 }
        ).prompts
    }

    @Test(
        "Tokens of a prompt",
        arguments: [
            (#""prompt":"ab""#, [267, 97, 98]), (#""prompt":"""#, [267]),
            (#""prompt":"ab","add_special_tokens":false"#, [97, 98]), (#""prompt":[97,98]"#, [97, 98]),
            (#""prompt":"a<|end|>b""#, [267, 97, 266, 98]),
            (#""prompt":"ab","suffix":"c""#, [267, 268, 97, 98, 269, 99, 270]),
            (#""prompt":"ab","suffix":"c","add_special_tokens":false"#, [268, 97, 98, 269, 99, 270]),
            (#""prompt":[97],"suffix":"c""#, [268, 97, 269, 99, 270]), (#""prompt":"ab","suffix":"""#, [267, 97, 98]),
            (#""prompt":"abcd","truncate_prompt_tokens":2"#, [99, 100]),
            (#""prompt":"abcd","truncate_prompt_tokens":2,"truncation_side":"left""#, [99, 100]),
            (#""prompt":"abcd","truncate_prompt_tokens":2,"truncation_side":"right""#, [267, 97]),
            (#""prompt":"abcd","truncate_prompt_tokens":5"#, [267, 97, 98, 99, 100]),
            (#""prompt":[1,2,3],"truncate_prompt_tokens":1"#, [3]),
            (#""prompt":"abcd","truncate_prompt_tokens":-1,"max_tokens":30"#, [99, 100]),
            (#""prompt":"abcd","truncate_prompt_tokens":-1"#, [267, 97, 98, 99, 100]),
        ] as [(String, [TokenID])])
    func tokens(_ members: String, _ tokens: [TokenID]) throws {
        #expect(try prompts(members).map(\.tokens) == [tokens])
    }

    @Test(
        "Echo: a text as sent, ids decoded, what is left of a prompt that was cut",
        arguments: [
            (#""prompt":"aé""#, "aé"), (#""prompt":"""#, ""), (#""prompt":"a<|end|>b""#, "a<|end|>b"),
            (#""prompt":[267,97,266,98]"#, "ab"),
            (#""prompt":[267,97,98],"skip_special_tokens":false"#, "<|start|>ab"),
            (#""prompt":[256,230,151,165]"#, "sto日"), (#""prompt":[97,230,151]"#, "a\u{FFFD}"),
            (#""prompt":"abcd","truncate_prompt_tokens":2"#, "cd"),
            (#""prompt":"abcd","truncate_prompt_tokens":3,"truncation_side":"right""#, "ab"),
        ])
    func echo(_ members: String, _ text: String) throws {
        let prompt = try #require(try prompts(members + #","echo":true"#).first)
        #expect(prompt.echo?.text == Array(text.utf8))
        #expect(try prompts(members).first?.echo == nil)
    }

    @Test("A suffix needs its tokens, and stands alone")
    func suffix() async {
        let fields = [#","echo":true"#: "suffix", #","truncate_prompt_tokens":5"#: "truncate_prompt_tokens"]
        for (field, parameter) in fields {
            let answer = await service(saying("x"), tokenizer: TestTokenizer.full).answer(
                #"{"prompt":"a","suffix":"b"\#(field)}"#)
            #expect(answer.status == 400)
            #expect(answer.parameter == parameter)
        }
    }

    @Test("A prompt may fill the context where nothing is generated")
    func scored() async {
        let text = String(repeating: "a", count: 32)
        let service = service(saying("x"))
        #expect(await service.answer(#"{"prompt":"\#(text)","max_tokens":0,"echo":true}"#).status == 200)
        #expect(await service.answer(#"{"prompt":"\#(text)","max_tokens":1}"#).code == "context_length_exceeded")
        #expect(await service.answer(#"{"prompt":"\#(text)a","max_tokens":0}"#).code == "context_length_exceeded")
    }
}
