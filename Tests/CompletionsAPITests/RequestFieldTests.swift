import CompletionsAPI
import Engine
import InferenceTypes
import Testing

@Suite("Fields of a completion request")
struct RequestFieldTests {
    /// What reached the engine.
    private func generations(_ members: String, count: Int = 1) async throws -> [GenerationRequest] {
        let engine = saying("x")
        let answer = await service(engine).answer("{\(members)}")
        #expect(answer.status == 200, "\(answer.text)")
        var requests: [GenerationRequest] = []
        for await admission in engine.admitted {
            requests.append(admission.request)
            if requests.count == count { break }
        }
        return requests
    }

    @Test("Nothing but a prompt means OpenAI's defaults")
    func defaults() async throws {
        let request = try #require(try await generations(#""prompt":"ab""#).first)
        #expect(request.promptTokens == [97, 98])
        #expect(request.maxTokens == 16)
        #expect(request.stopStrings == [])
        #expect(request.sampling == SamplingParameters(temperature: 1, topK: nil, topP: 1, minP: 0, seed: 1))
    }

    @Test("Every field arrives at the engine as sent")
    func everything() async throws {
        let request = try #require(
            try await generations(
                #"""
                "model":"tiny","prompt":[1,2],"max_tokens":3,"temperature":0.5,"top_k":5,"top_p":0.25,"min_p":0.125,
                "seed":-1,"stop":["a","é"],"user":"u","return_token_ids":true
                """#
            ).first)
        #expect(request.promptTokens == [1, 2])
        #expect(request.maxTokens == 3)
        #expect(request.stopStrings == [[0x61], [0xC3, 0xA9]])
        #expect(
            request.sampling == SamplingParameters(temperature: 0.5, topK: 5, topP: 0.25, minP: 0.125, seed: .max))
    }

    @Test(
        "Values that turn something off reach the engine as off",
        arguments: [
            #""top_k":0"#, #""top_k":-1"#, #""top_k":100"#, #""top_k":9223372036854775807"#, #""top_k":null"#,
            #""temperature":1,"top_p":1,"min_p":0,"stop":[]"#,
            #""model":null,"max_tokens":null,"temperature":null,"top_p":null,"min_p":null,"stop":null,"stream":null"#,
            #""stream":false,"stream_options":null,"user":null,"return_token_ids":null"#,
        ])
    func off(_ members: String) async throws {
        let request = try #require(try await generations(#""prompt":"ab","seed":9,"# + members).first)
        #expect(request.sampling == SamplingParameters(seed: 9))
        #expect(request.maxTokens == 16)
        #expect(request.stopStrings == [])
    }

    @Test("Numbers at the edge of Float stay inside the sampler's range")
    func edges() async throws {
        let request = try #require(
            try await generations(#""prompt":"a","temperature":-0.0,"top_p":1e-300,"min_p":1e-300"#).first)
        #expect(request.sampling.temperature.sign == .plus)
        #expect(request.sampling.isGreedy)
        #expect(request.sampling.topP > 0)
        #expect(request.sampling.minP == 0)
    }

    @Test(
        "All four forms of a prompt",
        arguments: [
            (#""ab""#, [[97, 98]]), (#"["ab","c"]"#, [[97, 98], [99]]), ("[1,2]", [[1, 2]]),
            ("[[1,2],[3]]", [[1, 2], [3]]),
            ("[0,99]", [[0, 99]]),
        ] as [(String, [[TokenID]])])
    func prompts(_ prompt: String, _ tokens: [[TokenID]]) async throws {
        let requests = try await generations(#""prompt":"# + prompt, count: tokens.count)
        #expect(requests.map(\.promptTokens) == tokens)
    }

    @Test("A given seed counts for each prompt; without one each prompt has its own")
    func seeds() async throws {
        let given = try await generations(#""prompt":["a","b"],"seed":5"#, count: 2)
        #expect(given.map(\.sampling.seed) == [5, 5])
        let drawn = try await generations(#""prompt":["a","b"]"#, count: 2)
        #expect(drawn.map(\.sampling.seed) == [1, 2])
    }

    @Test(
        "A bad value is refused with its field",
        arguments: [
            (#""model":"other""#, "model"), (#""model":"""#, "model"), (#""model":"tiny ""#, "model"),
            (#""prompt":"""#, "prompt"), (#""prompt":[""]"#, "prompt"), (#""prompt":null"#, "prompt"),
            (#""prompt":[100]"#, "prompt"), (#""prompt":[1.0]"#, "prompt"), (#""prompt":[true]"#, "prompt"),
            (#""max_tokens":-1"#, "max_tokens"), (#""max_tokens":1.0"#, "max_tokens"),
            (#""max_tokens":33"#, "max_tokens"),
            (#""temperature":"1""#, "temperature"), (#""temperature":2.0001"#, "temperature"),
            (#""top_p":0"#, "top_p"), (#""top_p":1.01"#, "top_p"), (#""top_k":-2"#, "top_k"),
            (#""top_k":1.5"#, "top_k"),
            (#""min_p":-0.1"#, "min_p"), (#""min_p":1.1"#, "min_p"), (#""seed":"1""#, "seed"), (#""seed":1.0"#, "seed"),
            (#""stop":"""#, "stop"), (#""stop":["a",""]"#, "stop"), (#""stop":{}"#, "stop"),
            (#""stream":1"#, "stream"), (#""stream_options":{}"#, "stream_options"),
            (#""stream":true,"stream_options":{"include_obfuscation":0}"#, "stream_options"),
            (#""return_token_ids":1"#, "return_token_ids"), (#""user":1"#, "user"),
        ])
    func refused(_ members: String, _ parameter: String) async {
        let base = members.contains("prompt") ? "" : #""prompt":"a","#
        let engine = saying("x")
        let answer = await service(engine).answer("{\(base)\(members)}")
        #expect(answer.status == (parameter == "model" ? 404 : 400))
        #expect(answer.parameter == parameter, "\(answer.text)")
    }

    @Test(
        "The first bad field in the order of the schema is the one named",
        arguments: [
            (#""user":1,"temperature":9,"model":1"#, "model"), (#""top_k":-9,"top_p":9,"echo":1"#, "echo"),
            (#""num_beams":0,"min_p":9"#, "min_p"), (#""stop":1,"prompt":1"#, "prompt"),
        ])
    func order(_ members: String, _ parameter: String) async {
        let base = members.contains("prompt") ? "" : #""prompt":"a","#
        #expect(await service(saying("x")).answer("{\(base)\(members)}").parameter == parameter)
    }

    @Test(
        "The message holds the path of what is wrong",
        arguments: [
            (#""prompt":[[1],[2,-7]]"#, "'prompt[1][1]' must be a token id from 0 to 99, got -7."),
            (#""prompt":"a","stop":["a",1]"#, "'stop[1]' must be a string, got 1."),
            (#""prompt":"a","temperature":3.0"#, "'temperature' must be a number from 0 to 2, got 3.0."),
            (#""prompt":"a","max_tokens":"9""#, "'max_tokens' must be an integer of at least 0, got a string."),
            (#""prompt":"a","top_p":0"#, "'top_p' must be a number above 0 and at most 1, got 0."),
        ])
    func messages(_ members: String, _ message: String) async {
        #expect(await service(saying("x")).answer("{\(members)}").message == message)
    }

    @Test("Bounds of stop strings and prompts")
    func bounds() async {
        let service = service(saying("x"))
        func status(_ member: String, _ items: [String]) async -> Int {
            let prompt = member == "prompt" ? "" : #""prompt":"a","#
            return await service.answer("{\(prompt)\"\(member)\":[\(items.joined(separator: ","))]}").status
        }
        #expect(await status("stop", Array(repeating: #""ab""#, count: 64)) == 200)
        #expect(await status("stop", Array(repeating: #""ab""#, count: 65)) == 400)
        #expect(await status("stop", ["\"" + String(repeating: "x", count: 1024) + "\""]) == 200)
        #expect(await status("stop", ["\"" + String(repeating: "x", count: 1025) + "\""]) == 400)
        #expect(await status("prompt", Array(repeating: #""a""#, count: 512)) == 200)
        #expect(await status("prompt", Array(repeating: #""a""#, count: 513)) == 400)
        #expect(await status("prompt", Array(repeating: "[1]", count: 513)) == 400)
    }

    @Test("Prompt and max_tokens may fill the context and not more")
    func context() async {
        let service = service(saying("x"))
        #expect(await service.answer(#"{"prompt":"ab","max_tokens":30}"#).status == 200)
        let answer = await service.answer(#"{"prompt":"ab","max_tokens":31}"#)
        #expect(answer.status == 400)
        #expect(answer.parameter == "prompt")
        #expect(answer.code == "context_length_exceeded")
        #expect(
            answer.message == "This model's maximum context length is 32 tokens, however you requested 33 tokens "
                + "(2 in your prompt; 31 for the completion). Please reduce your prompt; or completion length.")
    }
}

@Suite("Fields that are not done yet, and fields that nobody knows")
struct LaterFieldTests {
    @Test(
        "A field passes with the value that changes nothing",
        arguments: [
            #""n":1"#, #""best_of":1"#, #""echo":false"#, #""logprobs":null"#, #""presence_penalty":0"#,
            #""frequency_penalty":0.0"#, #""logit_bias":{}"#, #""logit_bias":{"7":0}"#, #""suffix":"""#,
            #""typical_p":1"#, #""repetition_penalty":1.0"#, #""repeat_penalty":1"#, #""no_repeat_ngram_size":0"#,
            #""min_tokens":0"#, #""ignore_eos":false"#, #""stop_token_ids":[]"#, #""skip_special_tokens":true"#,
            #""bad_words":[]"#, #""response_format":{"type":"text"}"#, #""grammar":"""#, #""priority":0"#,
            #""num_beams":1"#, #""use_beam_search":false"#, #""length_penalty":1"#, #""early_stopping":false"#,
            #""truncate_prompt_tokens":null"#, #""structured_outputs":null"#, #""id_slot":-1"#,
        ])
    func neutral(_ member: String) async {
        let answer = await service(saying("x")).answer(#"{"prompt":"a",\#(member)}"#)
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.ignoredParameters == nil)
    }

    @Test(
        "A field that would change something is refused by name",
        arguments: [
            (#""n":2"#, "n"), (#""best_of":2"#, "best_of"), (#""echo":true"#, "echo"), (#""logprobs":0"#, "logprobs"),
            (#""presence_penalty":0.5"#, "presence_penalty"), (#""logit_bias":{"7":1}"#, "logit_bias"),
            (#""suffix":"x""#, "suffix"), (#""repetition_penalty":1.1"#, "repetition_penalty"),
            (#""min_tokens":1"#, "min_tokens"), (#""ignore_eos":true"#, "ignore_eos"),
            (#""stop_token_ids":[3]"#, "stop_token_ids"), (#""skip_special_tokens":false"#, "skip_special_tokens"),
            (#""response_format":{"type":"json_object"}"#, "response_format"), (#""num_beams":4"#, "num_beams"),
            (#""early_stopping":"never""#, "early_stopping"), (#""prompt_logprobs":0"#, "prompt_logprobs"),
            (#""lora":[]"#, "lora"), (#""max_time":1"#, "max_time"),
        ])
    func refused(_ member: String, _ parameter: String) async {
        let answer = await service(saying("x")).answer(#"{"prompt":"a",\#(member)}"#)
        #expect(answer.status == 400)
        #expect(answer.parameter == parameter)
        #expect(answer.message?.contains("'\(parameter)' is not supported yet") == true, "\(answer.text)")
    }

    @Test(
        "Its type and range are checked first",
        arguments: [
            (#""n":0"#, "n"), (#""n":true"#, "n"), (#""logit_bias":{"100":0}"#, "logit_bias"),
            (#""logit_bias":{"+5":0}"#, "logit_bias"), (#""logit_bias":{"05":0}"#, "logit_bias"),
            (#""logit_bias":{"":0}"#, "logit_bias"), (#""num_beams":17"#, "num_beams"),
            (#""num_beams":1.0"#, "num_beams"),
            (#""stop_token_ids":[100]"#, "stop_token_ids"), (#""repetition_penalty":0"#, "repetition_penalty"),
            (#""early_stopping":1"#, "early_stopping"), (#""echo":"no""#, "echo"),
        ])
    func checked(_ member: String, _ parameter: String) async {
        let answer = await service(saying("x")).answer(#"{"prompt":"a",\#(member)}"#)
        #expect(answer.status == 400)
        #expect(answer.parameter == parameter)
        #expect(answer.message?.contains("must") == true, "\(answer.text)")
    }

    @Test(
        "Unknown fields are named in a header that they cannot break out of",
        arguments: [
            (#""foo":1"#, "foo"), (#""b":[],"a":{}"#, "b, a"), (#""a\r\nb: c":1"#, "a__b__c"), (#""é":1"#, "__"),
            (#""":1"#, "_"), (#""stream":true,"stream_options":{"x y":1}"#, "stream_options.x_y"),
        ])
    func ignored(_ members: String, _ field: String) async {
        let answer = await service(saying("x")).answer(#"{"prompt":"a",\#(members)}"#)
        #expect(answer.status == 200)
        #expect(answer.ignoredParameters == field)
    }

    @Test("The header stays short whatever is sent")
    func bounded() async throws {
        let members = (0..<900).map { #""\#(String(repeating: "k", count: 500))\#($0)":1"# }.joined(separator: ",")
        let answer = await service(saying("x")).answer(#"{"prompt":"a",\#(members)}"#)
        #expect(answer.status == 200)
        let field = try #require(answer.ignoredParameters)
        #expect(field.utf8.count == 16 * 66 + 3)
        #expect(field.hasSuffix("k, ..."))
    }

    @Test("Strict parameters refuse them")
    func strict() async {
        let answer = await service(saying("x"), unknownFields: .refuse).answer(#"{"prompt":"a","foo":1}"#)
        #expect(answer.status == 400)
        #expect(answer.parameter == "foo")
        #expect(answer.message == "Unrecognized request argument supplied: foo")
    }
}
