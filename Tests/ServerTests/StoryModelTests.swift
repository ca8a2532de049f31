import ArgumentParser
import Checkpoints
import Foundation
import InferenceTypes
import TestSupport
import Testing
import Tokenization

@testable import needletail

/// The embedded model through the whole program, against what torch computed with the same weights.
@Suite("The story model")
struct StoryModelTests {
    private static func reference() throws -> [[String: Any]] {
        let url = SharedData.repository.appending(path: "Sources/StoryModel/reference.json")
        let document = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
        let prompts = (document as? [String: Any])?["prompts"] ?? document
        return try #require(prompts as? [[String: Any]])
    }

    @Test("prompts become the tokens that sentencepiece makes of them")
    func tokens() throws {
        let model = try LoadedModel(try ModelOptions.parse([]))
        for prompt in try Self.reference() {
            let text = try #require(prompt["prompt"] as? String)
            let ids = try #require(prompt["prompt_ids"] as? [Int])
            #expect(model.tokenizer.encode(Array(text.utf8), addSpecialTokens: .add).map(Int.init) == ids)
        }
    }

    @Test("greedy answers over the API are the reference's")
    func greedy() async throws {
        let server = try await StoryServer()
        for prompt in try Self.reference() {
            let expected = try #require(prompt["ids"] as? [Int])
            let answer = try await server.plain([
                "prompt": try #require(prompt["prompt_ids"] as? [Int]), "temperature": 0, "max_tokens": expected.count,
                "return_token_ids": true,
            ])
            #expect(answer.tokens == Array(expected.prefix(answer.tokens.count)))
            #expect(answer.tokens.count == expected.count || answer.finishReason == "stop")
        }
    }

    @Test("it is a Llama of 2 to 6 million parameters with a context of 512 or more and byte fallback")
    func shape() throws {
        let model = try LoadedModel(try ModelOptions.parse([]))
        let weights = model.checkpoint.weights
        let parameters = weights.tensorNames.compactMap { weights.tensor($0)?.elementCount }.reduce(0, +)
        #expect((2_000_000...6_000_000).contains(parameters))
        #expect(model.checkpoint.configuration.family == .llama)
        #expect(model.checkpoint.configuration.contextCount >= 512)
        #expect(!model.tokenizer.endOfSequence.isEmpty)
        let text = Array("日本 \u{7F}😀".utf8)
        let ids = model.tokenizer.encode(text, addSpecialTokens: .omit)
        #expect(model.tokenizer.decode(ids, specialTokens: .skip) == text)
    }
}
