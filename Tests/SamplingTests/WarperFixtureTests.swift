import Foundation
import InferenceTypes
import TestSupport
import Testing

@testable import Sampling

/// `sampling.json`, `warpers`: what transformers' warpers keep of random logits.
struct WarperFixtureTests {
    private struct Case: Decodable {
        var temperature: Float?
        var topH: Float?
        var topK: Int?
        var topP: Float?
        var minP: Float?
        var typicalP: Float?
        var epsilonCutoff: Float?
        var etaCutoff: Float?
        var minimumCount: Int
        var logits: [Float?]
        var kept: [TokenID]
        var probs: [Float]

        var parameters: SamplingParameters {
            SamplingParameters(
                temperature: temperature ?? 1, topH: topH, topK: topK, topP: topP ?? 1, minP: minP ?? 0,
                typicalP: typicalP ?? 1, epsilonCutoff: epsilonCutoff ?? 0, etaCutoff: etaCutoff ?? 0)
        }
    }

    private struct Fixture: Decodable { var warpers: [Case] }

    @Test("the kept ids and their probabilities are those of transformers")
    func sameAsTransformers() throws {
        let cases = try fixture(Fixture.self).warpers
        #expect(cases.count == 440)
        var reused = Candidates()
        for (index, expected) in cases.enumerated() {
            let isSound = unmasked(expected.logits).withUnsafeBufferPointer {
                reused.warp(ScoreRow($0), expected.parameters, minimumCount: expected.minimumCount)
            }
            #expect(isSound && reused.ids == expected.kept, "case \(index): \(expected)")
            for (value, wanted) in zip(reused.probabilities, expected.probs) {
                #expect(abs(value - wanted) <= 1e-6, "case \(index): \(expected)")
            }
        }
    }

    @Test("a kept token's score is its logit over the temperature, bit for bit")
    func scores() throws {
        for expected in try fixture(Fixture.self).warpers {
            let logits = unmasked(expected.logits)
            var candidates = Candidates()
            let parameters = expected.parameters
            #expect(logits.withUnsafeBufferPointer { candidates.warp(ScoreRow($0), parameters) })
            for (token, score) in zip(candidates.ids, candidates.entries.scores) {
                #expect(score == logits[Int(token)] / parameters.temperature)
            }
        }
    }
}

/// JSON has no infinity: null stands for −∞.
func unmasked(_ values: [Float?]) -> [Float] { values.map { $0 ?? -.infinity } }

func fixture<Table: Decodable>(_ type: Table.Type) throws -> Table {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: try Data(contentsOf: SharedData.fixture("sampling.json")))
}
