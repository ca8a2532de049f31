import CompletionsAPI
import Engine
import InferenceTypes
import Testing

/// A body of any mode, with any of the fields that change what is told.
private struct RandomBody {
    let members: String

    init(seed: UInt64) {
        var random = SplitMix(state: seed)
        func pick(_ choices: [String]) -> String { choices[Int.random(in: 0..<choices.count, using: &random)] }
        let fields = [
            pick([
                #""prompt":"aé""#, #""prompt":["ab","日"]"#, #""prompt":[97,260,267]"#,
                #""prompt":[[97],[262,263],[266,98]]"#, #""prompt":"ab","suffix":"c""#,
            ]),
            pick([
                "", #""n":3"#, #""n":2,"temperature":0"#, #""n":2,"num_beams":3"#,
                #""n":2,"num_beams":4,"do_sample":true"#, #""penalty_alpha":0.5,"top_k":4"#,
                #""use_beam_search":true,"n":2"#,
            ]),
            pick(["", #""logprobs":0"#, #""logprobs":3"#]),
            pick(["", #""return_token_ids":true"#]), pick(["", #""return_tokens_as_token_ids":true"#]),
            pick(["", #""prompt_logprobs":2"#]), pick([#""max_tokens":0"#, #""max_tokens":9"#]),
            pick(["", #""seed":11"#, #""seed":-1"#]), pick(["", #""skip_special_tokens":false"#]),
        ]
        let echo = fields[0].contains("suffix") ? "" : pick(["", #""echo":true"#])
        members = (fields + [echo]).filter { !$0.isEmpty }.joined(separator: ",")
    }
}

@Suite("A stream put together is the whole answer")
struct StreamTests {
    @Test("300 random requests of every mode, whatever runs together", arguments: 0..<300)
    func equal(_ seed: UInt64) async throws {
        let body = RandomBody(seed: seed).members
        let one = service(playedEngine(order: seed), tokenizer: TestTokenizer.full, contextCount: 256)
        let other = service(
            playedEngine(order: seed &+ 1000), tokenizer: TestTokenizer.full, contextCount: 256, capacity: 4)
        let plain = await one.answer("{\(body)}")
        #expect(plain.status == 200, "\(plain.text)")
        let whole = try #require(plain.json)
        let answer = await other.answer("{\(body),\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
        let events = try #require(answer.events)
        #expect(events.last?["usage"] == whole["usage"])
        let parts = events.compactMap { $0["choices"]?.asArray?.first }
        let choices = try #require(whole["choices"]?.asArray)
        for (index, choice) in choices.enumerated() {
            #expect(choice["index"] == .count(index))
            let mine = parts.filter { $0["index"] == .count(index) }
            for member in choice.asObject ?? [] { Self.compare(member, mine, "\(body)") }
            #expect(Set(mine.flatMap(\.names)) == Set(choice.names))
            #expect(mine.dropLast().allSatisfy { $0["finish_reason"] == .null })
        }
        #expect(parts.allSatisfy { ($0["index"]?.asInteger ?? -1) < Int64(choices.count) })
    }

    private static func compare(_ member: JSONMember, _ parts: [JSONValue], _ body: String) {
        let found = parts.compactMap { part in part.asObject?.first { $0.key == member.key }?.value }
        switch String(decoding: member.key, as: UTF8.self) {
        case "text": #expect(.string(found.flatMap { $0.asBytes ?? [] }) == member.value, "\(body)")
        case "token_ids": #expect(.array(found.flatMap { $0.asArray ?? [] }) == member.value, "\(body)")
        case "logprobs":
            for array in member.value.asObject ?? [] {
                let pieces = found.flatMap { part in part.asObject?.first { $0.key == array.key }?.value.asArray ?? [] }
                #expect(.array(pieces) == array.value, "\(body)")
            }
            #expect(found.allSatisfy { $0.isNull == member.value.isNull })
        case "finish_reason", "stop_reason", "index": #expect(found.last == member.value, "\(body)")
        default: #expect(found == [member.value], "\(body)")
        }
    }

    @Test("Chunks of all choices interleave as their events came")
    func interleaved() async throws {
        let engine = ScriptedEngine { _, _ in
            [
                delta("a", [1], choice: 1), delta("b", [2], choice: 0), finished(.length, choice: 1),
                delta("c", [3], choice: 0), finished(.length, choice: 0),
            ]
        }
        let events = try #require(await service(engine).answer(#"{"prompt":"p","n":2,"stream":true}"#).events)
        let chunks = events.compactMap { $0["choices"]?.asArray?.first }
        #expect(chunks.map { $0["index"]?.asInteger } == [1, 0, 1, 0, 0])
        #expect(chunks.map { $0["seed"]?.asInteger } == [2, 1, nil, nil, nil])
    }

    @Test("The first chunk brings the echo and the prompt's logprobs, before any text")
    func opening() async throws {
        let engine = ScriptedEngine { request, _ in
            [
                .prompt(request.promptTokens.dropFirst().map { PlayedChoice.logprobs($0, count: 1) }),
                delta("x", [120]), finished(.length),
            ]
        }
        let answer = await service(engine).answer(
            #"{"prompt":"ab","echo":true,"logprobs":1,"prompt_logprobs":0,"stream":true}"#)
        let chunks = try #require(answer.events).compactMap { $0["choices"]?.asArray?.first }
        #expect(chunks.map { $0["text"] } == [.text("ab"), .text("x"), .text("")])
        #expect(chunks.map { $0["logprobs"]?["tokens"] } == [.texts("a", "b"), .texts("x"), .texts()])
        #expect(chunks.map { $0["prompt_logprobs"]?.asArray?.count } == [2, nil, nil])
    }

    @Test("Text of beams comes ahead of their tokens, and held-back text after them")
    func aheadAndBehind() async throws {
        let engine = ScriptedEngine { _, _ in
            [
                delta("ahead", []), delta("", [5, 6]), delta(" behind", []),
                finished(.length, score: -0.25, generated: 40),
            ]
        }
        let answer = await service(engine).answer(
            #"{"prompt":"p","num_beams":2,"stream":true,"stream_options":{"include_usage":true}}"#)
        let events = try #require(answer.events)
        let chunks = events.compactMap { $0["choices"]?.asArray?.first }
        #expect(chunks.map { $0["text"] } == [.text("ahead"), .text(" behind"), .text("")])
        #expect(chunks.map { $0["beam_score"] } == [nil, nil, .double(-0.25)])
        #expect(events.last?["usage"]?["completion_tokens"] == .integer(2))
        #expect(events.last?["usage"]?["completion_tokens_details"]?["generated_tokens"] == .integer(40))
    }
}

extension JSONValue {
    static func text(_ text: String) -> JSONValue { .string(Array(text.utf8)) }

    static func texts(_ texts: String...) -> JSONValue { .array(texts.map(text)) }

    static func count(_ count: Int) -> JSONValue { .integer(Int64(count)) }

    var names: [String] { (asObject ?? []).map { String(decoding: $0.key, as: UTF8.self) } }
}
