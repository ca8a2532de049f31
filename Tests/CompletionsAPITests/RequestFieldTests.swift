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
        #expect(request.stop.maxTokens == 16)
        #expect(request.stop.strings == [])
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
        #expect(request.stop.maxTokens == 3)
        #expect(request.stop.strings == [[0x61], [0xC3, 0xA9]])
        #expect(
            request.sampling == SamplingParameters(temperature: 0.5, topK: 5, topP: 0.25, minP: 0.125, seed: .max))
    }

    @Test(
        "Values that turn something off reach the engine as off",
        arguments: [
            #""top_k":0"#, #""top_k":-1"#, #""top_k":271"#, #""top_k":9223372036854775807"#, #""top_k":null"#,
            #""temperature":1,"top_p":1,"min_p":0,"stop":[]"#,
            #""model":null,"max_tokens":null,"temperature":null,"top_p":null,"min_p":null,"stop":null,"stream":null"#,
            #""stream":false,"stream_options":null,"user":null,"return_token_ids":null"#,
        ])
    func off(_ members: String) async throws {
        let request = try #require(try await generations(#""prompt":"ab","seed":9,"# + members).first)
        #expect(request.sampling == SamplingParameters(seed: 9))
        #expect(request.stop.maxTokens == 16)
        #expect(request.stop.strings == [])
    }

    @Test("Numbers at the edge of Float stay inside the sampler's range")
    func edges() async throws {
        let request = try #require(
            try await generations(#""prompt":"a","temperature":-0.0,"top_p":1e-300,"min_p":1e-300"#).first)
        #expect(request.sampling?.temperature.sign == .plus)
        #expect(request.sampling?.isGreedy == true)
        #expect(request.sampling.map { $0.topP > 0 } == true)
        #expect(request.sampling?.minP == 0)
    }

    @Test(
        "All four forms of a prompt",
        arguments: [
            (#""ab""#, [[97, 98]]), (#"["ab","c"]"#, [[97, 98], [99]]), ("[1,2]", [[1, 2]]),
            ("[[1,2],[3]]", [[1, 2], [3]]),
            ("[0,270]", [[0, 270]]),
        ] as [(String, [[TokenID]])])
    func prompts(_ prompt: String, _ tokens: [[TokenID]]) async throws {
        let requests = try await generations(#""prompt":"# + prompt, count: tokens.count)
        #expect(requests.map(\.promptTokens) == tokens)
    }

    @Test("A given seed counts for each prompt; without one each prompt has its own")
    func seeds() async throws {
        let given = try await generations(#""prompt":["a","b"],"seed":5"#, count: 2)
        #expect(given.map(\.sampling?.seed) == [5, 5])
        let drawn = try await generations(#""prompt":["a","b"]"#, count: 2)
        #expect(drawn.map(\.sampling?.seed) == [1, 2])
    }

    @Test(
        "A bad value is refused with its field",
        arguments: [
            (#""model":"other""#, "model"), (#""model":"""#, "model"), (#""model":"tiny ""#, "model"),
            (#""prompt":"""#, "prompt"), (#""prompt":[""]"#, "prompt"), (#""prompt":null"#, "prompt"),
            (#""prompt":[271]"#, "prompt"), (#""prompt":[1.0]"#, "prompt"), (#""prompt":[true]"#, "prompt"),
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
            (#""prompt":[[1],[2,-7]]"#, "'prompt[1][1]' must be a token id from 0 to 270, got -7."),
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
