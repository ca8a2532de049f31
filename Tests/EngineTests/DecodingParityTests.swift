import Foundation
import InferenceTypes
import TestSupport
import Testing

@testable import Engine

/// Every case of Tests/Fixtures/decoding through the whole engine, all of one model in one batch: beams of every width
/// beside greedy and contrastive requests. Cases where rounding could decide are not among them: nothing is excused.
@Suite("Decoding equals transformers")
struct DecodingParityTests {
    static let models = [
        "gpt2", "llama-bias", "llama-gqa", "llama3-scaled", "mistral", "mistral-window", "qwen2", "qwen3",
    ]
    private static let files = ["beams", "processors", "contrastive"]

    @Test("tokens equal and scores within 1e-4, room for all", arguments: models)
    func safetensors(model: String) async throws {
        try await check(model, format: "hf", blockCount: 2000)
    }

    @Test(
        "the same from a GGUF, with few blocks, so that requests wait for each other",
        arguments: ["llama-gqa", "gpt2", "qwen3"])
    func gguf(model: String) async throws {
        try await check(model, format: "model-f32.gguf", blockCount: 180)
    }

    private func check(_ model: String, format: String, blockCount: Int) async throws {
        let cases = try Self.cases(of: model)
        #expect(cases.count > 100)
        let bench = try ModelBench(SharedData.fixture("models/\(model)/\(format)"))
        let answers = try await bench.answers(cases.map(\.request), blockCount: blockCount)
        let differences = zip(cases, answers).compactMap { $0.difference($1) }
        #expect(differences.isEmpty, "\(differences.count) of \(cases.count)")
    }

    @Test("as many cases as were made")
    func counts() throws {
        let cases = try Self.models.flatMap(Self.cases)
        func count(_ matches: (DecodingMode) -> Bool) -> Int { cases.count { matches($0.request.mode) } }
        #expect(count { if case .beam = $0 { true } else { false } } == 600)
        #expect(count { if case .sampling = $0 { true } else { false } } == 340)
        #expect(count { if case .contrastive = $0 { true } else { false } } == 40)
    }

    /// In turns from all three files.
    private static func cases(of model: String) throws -> [ReferenceCase] {
        let cases = try files.flatMap { file in
            let data = try Data(contentsOf: SharedData.fixture("decoding/\(file).json"))
            let document = try JSONSerialization.jsonObject(with: data) as? [String: Any]
            let entries = try #require(document?["cases"] as? [[String: Any]])
            return entries.enumerated().filter { $1["model"] as? String == model }.map { number, entry in
                let fields = ReferenceFields(values: entry)
                var reference = ReferenceCase(
                    name: "\(file) \(number)", prompt: fields.tokens("prompt"), fields,
                    sequences: entry["sequences"] as? [[String: Any]] ?? [entry])
                // Ids that a request names end its sequences like the model's own.
                if number % 2 == 0, let id = fields.tokens("eos_token_id").dropFirst().first {
                    reference.request.stop.endOfSequence.remove(id)
                    reference.request.stop.stopTokens = [id]
                }
                return reference
            }
        }
        var random = TestGenerator(seed: 3)
        return cases.shuffled(using: &random)
    }
}
