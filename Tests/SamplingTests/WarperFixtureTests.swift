import Foundation
import InferenceTypes
import Sampling
import TestSupport
import Testing

/// `sampling.json`: what transformers' warpers keep of random logits.
struct WarperFixtureTests {
    private struct Case: Decodable {
        var temperature: Float?
        var topK: Int?
        var topP: Float?
        var minP: Float?
        var logits: [Float]
        var kept: [TokenID]
        var probs: [Float]
    }

    private struct Fixture: Decodable { var cases: [Case] }

    @Test("the kept ids and their probabilities are those of transformers")
    func sameAsTransformers() throws {
        let data = try Data(contentsOf: SharedData.fixture("sampling.json"))
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let cases = try decoder.decode(Fixture.self, from: data).cases
        #expect(cases.count == 60)
        for (index, expected) in cases.enumerated() {
            let parameters = SamplingParameters(
                temperature: expected.temperature ?? 1, topK: expected.topK, topP: expected.topP ?? 1,
                minP: expected.minP ?? 0)
            let candidates = try #require(distribution(expected.logits, parameters))
            let found = zip(candidates.ids, candidates.probabilities).sorted { $0.0 < $1.0 }
            #expect(found.map(\.0) == expected.kept, "case \(index)")
            for (value, wanted) in zip(found.map(\.1), expected.probs) {
                #expect(abs(value - wanted) <= 1e-6, "case \(index)")
            }
        }
    }
}
