import Checkpoints
import CompletionsAPI
import Engine
import HTTPCodec
import HTTPTypes
import InferenceTypes
import Testing
import Tokenization

/// SentencePiece: 0 `<unk>`, 1 `<s>`, 2 `</s>`, 3…258 the bytes, then `▁` 259, `a` 260, `b` 261, `ab` 262, `▁ab` 263,
/// `▁a` 264; the model has 10 more ids.
private struct Server {
    var service: CompletionsService
    let generations = GenerationSource()

    init(unknownFields: ServiceConfiguration.UnknownFields = .ignore) throws {
        var statistics = EngineStatistics()
        statistics.runningCount = 3
        statistics.waitingCount = 4
        statistics.freeBlockCount = 90
        statistics.totalBlockCount = 128
        statistics.cachedBlockCount = 60
        statistics.waitingTokenCount = 1234
        statistics.startedCount = 77
        statistics.preemptionCount = 5
        statistics.startedPromptTokenCount = 9000
        statistics.cachedPromptTokenCount = 4096
        statistics.retryAfterSeconds = 3
        let (generations, snapshot, random) = (generations, statistics, Counter())
        service = CompletionsService(
            model: ServedModel(
                name: "tiny", created: 0, contextCount: 32, vocabularyCount: 275, tokenizer: try Self.tokenizer(),
                generate: { _ in generations.next() }, sequenceCapacity: { _ in 8 }, readiness: { .ready },
                statistics: { snapshot }),
            configuration: ServiceConfiguration(build: "1.2.3", unknownFields: unknownFields),
            environment: ServiceEnvironment(
                now: { 0 }, random: { UInt64(random.next()) }, pause: { _ in throw CancellationError() }))
    }

    private static func tokenizer() throws -> Tokenizer {
        let digits = Array("0123456789ABCDEF")
        let bytes = (0..<256).map { "<0x\(digits[$0 >> 4])\(digits[$0 & 15])>" }
        let pieces = ["\u{2581}", "a", "b", "ab", "\u{2581}ab", "\u{2581}a"]
        let keys: [(String, GGUFValue)] = [
            ("model", .string(Array("llama".utf8))),
            ("tokens", .strings((["<unk>", "<s>", "</s>"] + bytes + pieces).map { Array($0.utf8) })),
            ("scores", .floats([Float](repeating: 0, count: 259) + pieces.indices.map { -Float($0) })),
            ("token_type", .integers([2, 3, 3] + bytes.map { _ in 6 } + pieces.map { _ in 1 })),
            ("padding_token_id", .integer(0)),
        ]
        let metadata = keys.map { (Array("tokenizer.ggml.\($0.0)".utf8), $0.1) }
        return try Tokenizer(.gguf(GGUFMetadata(Dictionary(uniqueKeysWithValues: metadata))))
    }

    func answer(_ method: String, _ path: String, _ body: String? = nil) async -> Answer {
        var request = request(method, path)
        if let body {
            request.head.headerFields[.contentType] = "application/json"
            request.body = Array(body.utf8)
        }
        return await Answer(service.respond(to: request))
    }
}

/// Generations that a test feeds: each ends with `.cancelled` when it is cancelled.
private final class GenerationSource: Sendable {
    func next() -> Generation {
        let (events, continuation) = AsyncStream.makeStream(of: GenerationEvent.self)
        continuation.yield(.delta(TextDelta(choice: 0, text: Array("ab".utf8), tokens: [])))
        return Generation(
            events: events,
            cancel: {
                continuation.yield(.finished(FinishedChoice(choice: 0, reason: .cancelled)))
                continuation.finish()
            })
    }
}

@Suite("Tokeniser calls")
struct TokenizerCallTests {
    @Test(
        "POST /tokenize",
        arguments: [
            (#"{"prompt":"ab ab"}"#, "[1,263,263]", "null"),
            (#"{"prompt":"ab ab","add_special_tokens":false}"#, "[263,263]", "null"),
            (#"{"prompt":"ab","add_special_tokens":null,"return_token_strs":null,"model":null}"#, "[1,263]", "null"),
            (#"{"prompt":"ab\n","return_token_strs":true,"model":"tiny"}"#, "[1,263,13]", #"["<s>","▁ab","<0x0A>"]"#),
            (#"{"prompt":"","add_special_tokens":false,"return_token_strs":true}"#, "[]", "[]"),
            (#"{"prompt":""}"#, "[1]", "null"),
            // A spelling is its token, as for a prompt and as vLLM has it.
            (#"{"prompt":"a</s>","add_special_tokens":false}"#, "[264,2]", "null"),
        ])
    func tokenize(_ body: String, _ tokens: String, _ spellings: String) async throws {
        let answer = try await Server().answer("POST", "/tokenize", body)
        let count = tokens.count == 2 ? 0 : tokens.split(separator: ",").count
        #expect(answer.status == 200)
        #expect(answer.fields[.contentType] == "application/json")
        #expect(
            answer.text == #"{"count":\#(count),"max_model_len":32,"tokens":\#(tokens),"token_strs":\#(spellings)}"#)
    }

    @Test(
        "POST /detokenize shows special tokens and mends what is no UTF-8",
        arguments: [
            ("[1,263,263,2]", "<s> ab ab</s>"), ("[263]", "ab"), ("[]", ""), ("[264,243,162,155]", "a\u{FFFD}"),
            // Known to the model alone.
            ("[264,270]", "a"),
        ])
    func detokenize(_ tokens: String, _ text: String) async throws {
        let answer = try await Server().answer("POST", "/detokenize", #"{"tokens":\#(tokens)}"#)
        #expect(answer.status == 200)
        #expect(answer.json == .object([JSONMember(key: Array("prompt".utf8), value: .string(Array(text.utf8)))]))
    }

    @Test(
        "Bad values are blamed by name",
        arguments: [
            ("/tokenize", "{}", "prompt"), ("/tokenize", #"{"prompt":null}"#, "prompt"),
            ("/tokenize", #"{"prompt":["a"]}"#, "prompt"), ("/tokenize", #"{"prompt":1}"#, "prompt"),
            ("/tokenize", #"{"prompt":"a","add_special_tokens":1}"#, "add_special_tokens"),
            ("/tokenize", #"{"prompt":"a","return_token_strs":"yes"}"#, "return_token_strs"),
            ("/tokenize", #"{"messages":[]}"#, "messages"), ("/tokenize", "[]", nil), ("/tokenize", "{", nil),
            ("/tokenize", #"{"prompt":"a","prompt":"b"}"#, nil),
            ("/detokenize", "{}", "tokens"), ("/detokenize", #"{"tokens":"1"}"#, "tokens"),
            ("/detokenize", #"{"tokens":[275]}"#, "tokens"), ("/detokenize", #"{"tokens":[-1]}"#, "tokens"),
            ("/detokenize", #"{"tokens":[1.0]}"#, "tokens"), ("/detokenize", #"{"tokens":[true]}"#, "tokens"),
            ("/detokenize", #"{"tokens":[4294967297]}"#, "tokens"), ("/detokenize", #"{"tokens":[[1]]}"#, "tokens"),
        ] as [(String, String, String?)])
    func refused(_ path: String, _ body: String, _ parameter: String?) async throws {
        let answer = try await Server().answer("POST", path, body)
        #expect(answer.status == 400)
        #expect(answer.parameter == parameter)
        #expect(answer.json?["error"]?["type"] == .string(Array("invalid_request_error".utf8)))
    }

    @Test("Model, media type, unknown fields and codings as for completions", arguments: ["/tokenize", "/detokenize"])
    func common(_ path: String) async throws {
        let server = try Server()
        let fields = #""prompt":"a","tokens":[1]"#
        let model = await server.answer("POST", path, #"{\#(fields),"model":"other"}"#)
        #expect(model.status == 404 && model.parameter == "model" && model.code == "model_not_found")
        #expect(await server.answer("POST", path).status == 415)
        let ignored = await server.answer("POST", path, #"{\#(fields),"zebra":1}"#)
        #expect(ignored.status == 200)
        #expect(ignored.ignoredParameters?.contains("zebra") == true)
        let strict = try await Server(unknownFields: .refuse).answer("POST", path, #"{\#(fields),"zebra":1}"#)
        #expect(strict.status == 400)
        var coded = request("POST", path)
        coded.head.headerFields[.contentType] = "application/json"
        coded.body = Array("{\(fields)}".utf8)
        coded.contentCoding = .gzip
        #expect(await Answer(server.service.respond(to: coded)).status == 400)
    }

    @Test("GET /tokenizer_info has what a remote tokeniser asks for")
    func information() async throws {
        let answer = try await Server().answer("GET", "/tokenizer_info")
        #expect(answer.status == 200)
        #expect(
            answer.text == #"{"tokenizer_class":"NeedletailTokenizer","bos_token":"<s>","bos_token_id":1,"#
                + #""eos_token":"</s>","eos_token_id":2,"pad_token":"<unk>","pad_token_id":0,"#
                + #""unk_token":"<unk>","unk_token_id":0,"add_bos_token":true,"#
                + #""clean_up_tokenization_spaces":false,"model_max_length":32,"vocab_size":265,"chat_template":null}"#)
    }
}

@Suite("Version, load and cancelling by id")
struct SurroundingEndpointTests {
    @Test("GET /version and /load")
    func documents() async throws {
        let server = try Server()
        #expect(await server.answer("GET", "/version").text == #"{"version":"1.2.3"}"#)
        #expect(
            await server.answer("GET", "/load").text
                == #"{"server_load":7,"running":3,"waiting":4,"free_kv_blocks":90,"total_kv_blocks":128,"#
                + #""cached_kv_blocks":60,"waiting_tokens":1234,"started":77,"preemptions":5,"prompt_tokens":9000,"#
                + #""cached_prompt_tokens":4096,"retry_after":3}"#)
    }

    @Test(
        "Methods and spellings of the paths",
        arguments: [
            ("GET", "/tokenize", 405, "POST"), ("GET", "/detokenize", 405, "POST"),
            ("POST", "/tokenizer_info", 405, "GET, HEAD"), ("PUT", "/version", 405, "GET, HEAD"),
            ("POST", "/load", 405, "GET, HEAD"), ("GET", "/v1/completions/cmpl-1/cancel", 405, "POST"),
            ("HEAD", "/load", 200, nil), ("HEAD", "/version", 200, nil), ("POST", "/tokenize/", 404, nil),
            ("POST", "/v1/tokenize", 404, nil), ("POST", "/v1/completions//cancel", 404, nil),
            ("POST", "/v1/completions/cancel", 404, nil), ("POST", "/v1/completions/a/b/cancel", 404, nil),
            ("POST", "/v1/completions/a/cancel/", 404, nil), ("POST", "/v1/completions/a/Cancel", 404, nil),
            ("GET", "/Version", 404, nil),
        ] as [(String, String, Int, String?)])
    func paths(_ method: String, _ path: String, _ status: Int, _ allow: String?) async throws {
        let answer = try await Server().answer(method, path)
        #expect(answer.status == status)
        #expect(answer.fields[.allow] == allow)
    }

    @Test("A stream is cancelled by its id, once; then the id is unknown")
    func cancelStream() async throws {
        let server = try Server()
        let body = #"{"prompt":"a","stream":true,"request_id":"x/1"}"#
        var request = request("POST", "/v1/completions")
        request.head.headerFields[.contentType] = "application/json"
        request.body = Array(body.utf8)
        let response = await server.service.respond(to: request)
        guard case .stream(let pieces) = response.body else {
            Issue.record("expected a stream")
            return
        }
        var iterator = pieces.makeAsyncIterator()
        let first = try #require(await iterator.next())
        #expect(String(decoding: first, as: UTF8.self).contains(#""id":"cmpl-x/1""#))
        #expect(await server.answer("POST", "/v1/completions/cmpl-x/cancel").status == 404)
        let cancelled = await server.answer("POST", "/v1/completions/cmpl-x%2F1/cancel")
        #expect(cancelled.status == 200)
        #expect(cancelled.text == #"{"id":"cmpl-x/1","object":"text_completion.cancelled","cancelled":true}"#)
        var rest: [UInt8] = []
        while let piece = await iterator.next() { rest += piece }
        #expect(String(decoding: rest, as: UTF8.self).hasSuffix("data: [DONE]\n\n"))
        let again = await server.answer("POST", "/v1/completions/cmpl-x%2F1/cancel")
        #expect(again.status == 404)
        #expect(again.parameter == nil && again.code == nil)
        #expect(again.message == "No completion `cmpl-x/1` is running.")
    }

    @Test("A plain request is cancelled by the id that it brought", .timeLimit(.minutes(1)))
    func cancelPlain() async throws {
        let server = try Server()
        async let answer = server.answer("POST", "/v1/completions", #"{"prompt":"a","request_id":"p"}"#)
        // The request is admitted at some moment; until then nothing runs under its id.
        while await server.answer("POST", "/v1/completions/cmpl-p/cancel").status == 404 { await Task.yield() }
        let choice = await answer.json?["choices"]?.asArray?.first
        #expect(choice?["text"] == .string(Array("ab".utf8)))
        #expect(choice?["stop_reason"] == .string(Array("cancelled".utf8)))
        #expect(await server.answer("POST", "/v1/completions/cmpl-p/cancel").status == 404)
    }
}
