import Foundation
import InferenceTypes
import Sampling
import TestSupport
import Testing

@testable import Engine

/// Trained models against the reference files beside the checkout: beams, and greedy with processors.
@Suite("Beams of trained models equal transformers", .enabled(if: SharedData.isAvailable, "needs ../shared/data"))
struct SharedBeamTests {
    /// A search that rounding decides: in a step, two rivals for the last place among the beams are closer than 1e-5.
    private struct NearTie {
        var step: Int
        /// Of the best hypothesis where the other rival runs on.
        var score: Float
    }

    /// From the same searches in float64. Between the rivals' sums, −126.08, lie 3.5e-6: less than one float32 apart.
    private static let nearTies = [
        "tinystories-656k/ref/beam.json 37": NearTie(step: 114, score: -1.073_707)
    ]

    @Test(
        "every case of beam.json and greedy_processors.json",
        arguments: [
            ("stories260K", "hf", 96 + 24), ("stories260K", "gguf/stories260K-f32.gguf", 96 + 24),
            ("tinystories-656k", "hf", 72 + 18), ("tinystories-656k", "gguf/TinyStories-656K-f32.gguf", 72 + 18),
        ])
    func parity(model: String, file: String, count: Int) async throws {
        let cases = try ["beam", "greedy_processors"].flatMap { try Self.cases("\(model)/ref/\($0).json") }
        #expect(cases.count == count)
        let bench = try ModelBench(SharedData.file("\(model)/\(file)"))
        let answers = try await bench.answers(cases.map(\.request), blockCount: 4000)
        let differences = zip(cases, answers).compactMap { reference, answers -> String? in
            let difference = reference.difference(answers)
            return difference == nil || Self.isNearTie(reference, answers) ? nil : difference
        }
        #expect(differences.isEmpty, "\(differences.count) of \(count)")
    }

    /// Whether the engine met the two rivals, too, and ran on with the other one.
    private static func isNearTie(_ reference: ReferenceCase, _ answers: Answers) -> Bool {
        guard let tie = nearTies[reference.name], let score = answers.choices[0]?.beamScore,
            abs(score - tie.score) < 1e-4
        else { return false }
        for case .beams(let trace) in answers.explanations
        where trace.position == reference.request.promptTokens.count + tie.step {
            return trace.runningCut(ends: reference.request.stop.endOfSequence) < 1e-5
        }
        return false
    }

    private static func cases(_ path: String) throws -> [ReferenceCase] {
        let data = try Data(contentsOf: SharedData.file(path))
        let document = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        let entries = try #require(document?["cases"] as? [[String: Any]])
        return try entries.enumerated().map { number, entry in
            var reference = ReferenceCase(
                name: "\(path) \(number)", prompt: ReferenceFields(values: entry).tokens("prompt_ids"),
                ReferenceFields(values: try #require(entry["params"] as? [String: Any])),
                sequences: try #require(entry["sequences"] as? [[String: Any]]))
            reference.request.report.explains = nearTies[reference.name] != nil
            return reference
        }
    }
}

extension BeamTrace {
    /// Between the last beam that runs on and the best that does not.
    fileprivate func runningCut(ends: Set<TokenID>) -> Float {
        let kept = candidates.filter { if case .continues = $0.fate { true } else { false } }.map(\.score)
        let dropped = candidates.filter { $0.fate == .dropped && !ends.contains($0.token) }.map(\.score)
        guard let last = kept.min(), let rival = dropped.max() else { return .infinity }
        return last - rival
    }
}
