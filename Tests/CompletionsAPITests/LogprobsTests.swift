import CompletionsAPI
import Engine
import InferenceTypes
import Testing

@Suite("Logprobs, echo and what else is told of tokens")
struct LogprobsTests {
    private static func known(_ token: TokenID, _ logprob: Float, _ rank: Int, _ top: [(TokenID, Float)])
        -> TokenLogprobs
    {
        TokenLogprobs(
            chosen: .init(token: token, logprob: logprob), rank: rank,
            top: top.map { .init(token: $0.0, logprob: $0.1) })
    }

    /// Prompt "é" behind the start token: 267, 0xC3, 0xA9; then " é!" cut inside its scalar, and the end.
    private let engine = ScriptedEngine { request, _ in
        let count = request.report.logprobCount
        func told(_ logprobs: TokenLogprobs) -> TokenLogprobs? { count == nil ? nil : logprobs }
        let tokens = [
            GeneratedToken(
                id: 264, textOffset: 0, logprobs: told(Self.known(264, -1.2039728, 1, [(264, -1.2039728), (97, -2.5)]))),
            GeneratedToken(
                id: 0xA9, textOffset: 1,
                logprobs: told(Self.known(0xA9, -.infinity, 271, [(97, -0.6931472), (0x62, -0.8)]))),
            GeneratedToken(
                id: 266, textOffset: 2, logprobs: told(Self.known(266, -0.25, 1, [(266, -0.25), (97, -1.5)]))),
        ]
        let prompt = [
            Self.known(0xC3, -0.5, 2, [(97, -0.4), (0xC3, -0.5)]), Self.known(0xA9, -7, 9, [(98, 0), (99, -40)]),
        ]
        return (request.report.promptLogprobCount == nil ? [] : [.prompt(prompt)])
            + (request.stop.maxTokens == 0
                ? [finished(.length)]
                : [
                    .delta(TextDelta(choice: 0, text: Array(" é".utf8), tokens: tokens)),
                    finished(.endOfSequence(266), generated: 3),
                ])
    }

    private func choice(_ members: String) async throws -> JSONValue {
        let answer = await service(engine, tokenizer: TestTokenizer.full).answer(#"{"prompt":"é",\#(members)}"#)
        return try #require(answer.json?["choices"]?.asArray?.first, "\(answer.text)")
    }

    private func text(_ value: JSONValue?) -> String {
        value.map { String(decoding: JSONWriter.bytes(of: $0), as: UTF8.self) } ?? ""
    }

    @Test("The legacy object: part of a scalar as bytes, −∞ as a number, offsets in code points")
    func generated() async throws {
        #expect(
            text(try await choice(#""logprobs":1"#)["logprobs"])
                == #"{"tokens":["bytes:\\x20\\xc3","bytes:\\xa9","<|end|>"],"#
                + #""token_logprobs":[-1.2039728,-9999.0,-0.25],"#
                + #""top_logprobs":[{"bytes:\\x20\\xc3":-1.2039728},{"a":-0.6931472,"bytes:\\xa9":-9999.0},{"<|end|>":-0.25}],"#
                + #""text_offset":[0,1,2]}"#)
    }

    @Test("No entries: the chosen token alone")
    func zero() async throws {
        #expect(
            text(try await choice(#""logprobs":0"#)["logprobs"]?["top_logprobs"])
                == #"[{"bytes:\\x20\\xc3":-1.2039728},{"bytes:\\xa9":-9999.0},{"<|end|>":-0.25}]"#)
    }

    @Test("With echo the prompt's tokens come first, the first of them without a number; added tokens have no width")
    func echoed() async throws {
        let choice = try await choice(#""logprobs":1,"echo":true"#)
        #expect(choice["text"] == .text("é é"))
        let logprobs = try #require(choice["logprobs"])
        #expect(
            text(logprobs["tokens"])
                == #"["<|start|>","bytes:\\xc3","bytes:\\xa9","bytes:\\x20\\xc3","bytes:\\xa9","<|end|>"]"#)
        #expect(text(logprobs["token_logprobs"]) == "[null,-0.5,-7.0,-1.2039728,-9999.0,-0.25]")
        #expect(text(logprobs["text_offset"]) == "[0,0,0,1,2,3]")
        let top = try #require(logprobs["top_logprobs"]?.asArray)
        #expect(
            text(.array(Array(top.prefix(3)))) == #"[null,{"a":-0.4,"bytes:\\xc3":-0.5},{"b":0.0,"bytes:\\xa9":-7.0}]"#)
    }

    @Test("A scoring call generates nothing and has all numbers of the prompt")
    func scoring() async throws {
        let choice = try await choice(#""logprobs":2,"echo":true,"max_tokens":0"#)
        #expect(choice["text"] == .text("é"))
        #expect(choice["finish_reason"] == .text("length"))
        #expect(text(choice["logprobs"]?["token_logprobs"]) == "[null,-0.5,-7.0]")
        #expect(text(choice["logprobs"]?["top_logprobs"]?.asArray?.last) == #"{"b":0.0,"c":-40.0,"bytes:\\xa9":-7.0}"#)
    }

    @Test("Tokens by id")
    func ids() async throws {
        let logprobs = try await choice(#""logprobs":1,"return_tokens_as_token_ids":true"#)["logprobs"]
        #expect(text(logprobs?["tokens"]) == #"["token_id:264","token_id:169","token_id:266"]"#)
        #expect(text(logprobs?["top_logprobs"]?.asArray?[1]) == #"{"token_id:97":-0.6931472,"token_id:169":-9999.0}"#)
    }

    @Test("prompt_logprobs in vLLM's shape, with its own number of entries")
    func prompt() async throws {
        let choice = try await choice(#""prompt_logprobs":1"#)
        #expect(choice["logprobs"] == .null)
        #expect(
            text(choice["prompt_logprobs"])
                == #"[null,{"97":{"logprob":-0.4,"rank":1,"decoded_token":"a"},"#
                + #""195":{"logprob":-0.5,"rank":2,"decoded_token":"\#u{FFFD}"}},"#
                + #"{"98":{"logprob":0.0,"rank":1,"decoded_token":"b"},"#
                + #""169":{"logprob":-7.0,"rank":9,"decoded_token":"\#u{FFFD}"}}]"#)
    }

    @Test("Where tokens have more text than was sent, their places end with it")
    func normalized() async throws {
        let engine = ScriptedEngine { _, _ in [delta("!", [33]), finished(.length)] }
        let answer = await service(engine, tokenizer: TestTokenizer.normalizing).answer(
            #"{"prompt":"x\ufb03","logprobs":0,"echo":true}"#)
        #expect(answer.text.contains(##""text":"x\##u{FB03}!""##))
        #expect(answer.text.contains(#""tokens":["x","f","f","i","!"]"#))
        #expect(answer.text.contains(#""text_offset":[0,1,2,2,2]"#))
    }

    @Test("Two tokens with one text: the key is there once, with the more probable one's number")
    func twins() async throws {
        let engine = ScriptedEngine { _, _ in
            let logprobs = Self.known(97, -3, 2, [(97, -1), (97, -3)])
            let token = GeneratedToken(id: 97, textOffset: 0, logprobs: logprobs)
            return [.delta(TextDelta(choice: 0, text: [97], tokens: [token])), finished(.length)]
        }
        let answer = await service(engine).answer(#"{"prompt":"é","logprobs":2}"#)
        #expect(answer.text.contains(#""top_logprobs":[{"a":-1.0}]"#))
    }

    @Test("A number and its twin in the dictionary are printed alike", arguments: 0..<50)
    func twinsPrintAlike(_ seed: UInt64) async throws {
        var random = SplitMix(state: seed)
        let value = -Float.random(in: 0...20, using: &random)
        let engine = ScriptedEngine { _, _ in
            let token = GeneratedToken(id: 97, textOffset: 0, logprobs: Self.known(97, value, 1, [(97, value)]))
            return [.delta(TextDelta(choice: 0, text: [97], tokens: [token])), finished(.length)]
        }
        let answer = await service(engine).answer(#"{"prompt":"é","logprobs":1}"#)
        #expect(
            answer.text.contains(#""token_logprobs":[\#(value)],"top_logprobs":[{"a":\#(value)}]"#), "\(answer.text)")
    }

    @Test("Of tokens without logprobs and a prompt of one token there is nothing to tell, and it is told")
    func nothing() async throws {
        let engine = ScriptedEngine { _, _ in [delta("x", [120]), finished(.length)] }
        let answer = await service(engine).answer(#"{"prompt":"a","logprobs":1,"echo":true,"prompt_logprobs":1}"#)
        #expect(answer.text.contains(#""tokens":["a","x"],"token_logprobs":[null,null]"#))
        #expect(answer.text.contains(#""prompt_logprobs":[null]"#))
    }
}
