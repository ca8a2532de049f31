import CompletionsAPI
import Engine
import InferenceTypes
import Testing

@Suite("Several choices: their order, seeds, ranks and costs")
struct ChoiceTests {
    /// Each choice says its number in one token with the log-probability of its place.
    private static func ranked(_ logprobs: [Float]) -> ScriptedEngine {
        ScriptedEngine { request, _ in
            request.heardChoices.reversed().flatMap { choice -> [GenerationEvent] in
                let known = TokenLogprobs(
                    chosen: .init(token: 97, logprob: logprobs[choice]), rank: 1, top: [])
                let tokens = (0...choice).map { GeneratedToken(id: 97, textOffset: $0, logprobs: known) }
                return [
                    .delta(TextDelta(choice: choice, text: Array("\(choice)".utf8), tokens: tokens)),
                    finished(.length, choice: choice),
                ]
            }
        }
    }

    private func choices(_ answer: Answer) throws -> [JSONValue] {
        try #require(answer.json?["choices"]?.asArray, "\(answer.text)")
    }

    @Test("Prompts times n, flat and by index, whatever runs together", arguments: [1, 2, 64])
    func flat(_ capacity: Int) async throws {
        let engine = Self.ranked([-1, -1, -1])
        let answer = await service(engine, capacity: capacity).answer(#"{"prompt":["p","q"],"n":3,"seed":-2}"#)
        let choices = try choices(answer)
        #expect(choices.map { $0["index"]?.asInteger } == [0, 1, 2, 3, 4, 5])
        #expect(choices.map { $0["text"] } == ["0", "1", "2", "0", "1", "2"].map(JSONValue.text))
        #expect(choices.map { $0["seed"]?.asInteger } == [-2, -1, 0, -2, -1, 0])
        #expect(answer.text.contains(#""prompt_tokens":2,"completion_tokens":12,"total_tokens":14"#))
    }

    @Test("The best are answered, best first, equals by number, each with its own seed", arguments: [2, 64])
    func best(_ capacity: Int) async throws {
        let engine = Self.ranked([-3, -1, -2, -1, -.infinity])
        let answer = await service(engine, capacity: capacity).answer(
            #"{"prompt":["p","q"],"n":3,"best_of":5,"seed":10}"#)
        let choices = try choices(answer)
        #expect(choices.map { $0["text"] } == ["1", "3", "2", "1", "3", "2"].map(JSONValue.text))
        #expect(choices.map { $0["index"]?.asInteger } == [0, 1, 2, 3, 4, 5])
        #expect(choices.map { $0["seed"]?.asInteger } == [11, 13, 12, 11, 13, 12])
        #expect(choices.allSatisfy { $0["logprobs"] == .null })
        // 2 + 4 + 3 tokens of each prompt are answered, 15 were generated.
        #expect(answer.text.contains(#""completion_tokens":18,"#))
        #expect(answer.text.contains(#""generated_tokens":30"#))
    }

    @Test("Equal choices cost one and are all counted")
    func copies() async throws {
        let engine = ScriptedEngine { _, place in
            if place > 0 { Issue.record("asked twice") }
            return [delta("ab", [97, 98]), finished(.length, generated: 2)]
        }
        let answer = await service(engine).answer(
            #"{"prompt":"p","n":3,"temperature":0,"seed":5,"return_token_ids":true,"echo":true}"#)
        let choices = try choices(answer)
        #expect(choices.map { $0["text"] } == Array(repeating: .text("pab"), count: 3))
        #expect(choices.map { $0["seed"]?.asInteger } == [5, 6, 7])
        #expect(choices.allSatisfy { $0["token_ids"] == .array([.integer(97), .integer(98)]) })
        #expect(answer.text.contains(#""completion_tokens":6,"#))
        #expect(answer.text.contains(#""generated_tokens":2"#))
    }

    @Test("Hypotheses have their score, and the search's one seed; what lost is counted as generated")
    func beams() async throws {
        let engine = ScriptedEngine { _, _ in
            [
                delta("b", [98], choice: 1), delta("a", [97], choice: 0),
                finished(.endOfSequence(266), choice: 0, score: -0.125, generated: 30),
                finished(.length, choice: 1, score: -1.2039728, generated: 30),
            ]
        }
        let answer = await service(engine).answer(#"{"prompt":"p","n":2,"num_beams":4,"seed":5}"#)
        let choices = try choices(answer)
        #expect(choices.map { $0["text"] } == [.text("a"), .text("b")])
        #expect(choices.map { $0["beam_score"] } == [.double(-0.125), .double(-1.2039728)])
        #expect(choices.map { $0["seed"]?.asInteger } == [5, 5])
        #expect(answer.text.contains(#""completion_tokens":2,"#))
        #expect(answer.text.contains(#""generated_tokens":30"#))
    }

    @Test("An engine that speaks of choices that nobody asked for is not heard")
    func strangers() async throws {
        let engine = ScriptedEngine { _, _ in
            [delta("x", [1], choice: 7), finished(.length, choice: -1), delta("a", [1]), finished(.length)]
        }
        let answer = await service(engine).answer(#"{"prompt":"p"}"#)
        #expect(try choices(answer).map { $0["text"] } == [.text("a")])
    }

    @Test("A choice that ends without a word is still a choice")
    func silent() async throws {
        let engine = ScriptedEngine { _, _ in [finished(.exhausted)] }
        let choice = try #require(try choices(await service(engine).answer(#"{"prompt":"p","logprobs":0}"#)).first)
        #expect(choice["text"] == .text(""))
        #expect(choice["logprobs"]?["tokens"] == .array([]))
        #expect(choice["seed"] != nil)
    }
}
