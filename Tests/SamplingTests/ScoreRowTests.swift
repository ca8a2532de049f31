import InferenceTypes
import TestSupport
import Testing

@testable import Sampling

/// With the peaks of its runs a row answers what it answers without them.
struct ScoreRowTests {
    private static let counts = [1, 16, 63, 64, 65, 127, 1000, 4097, 20_000]

    /// Logits with ties and masked tokens.
    private static func logits(_ count: Int, seed: UInt64) -> [Float] {
        var generator = TestGenerator(seed: seed)
        return generator.floats(count, in: -9...9).map { value in
            if seed % 3 == 0 { return value.rounded() }
            return seed % 3 == 1 && value < -7 ? -.infinity : value
        }
    }

    private func peaks(_ values: [Float]) -> [Float] {
        stride(from: 0, to: values.count, by: ScoreRow.runCount).map { start in
            let run = values[start..<min(start + ScoreRow.runCount, values.count)]
            return run.allSatisfy { $0 < .infinity } ? run.max() ?? 0 : .infinity
        }
    }

    /// What `read` answers without the peaks and with them.
    private func both<Answer>(_ values: [Float], _ read: (ScoreRow) -> Answer) -> [Answer] {
        values.withUnsafeBufferPointer { values in
            peaks(Array(values)).withUnsafeBufferPointer {
                [read(ScoreRow(values)), read(ScoreRow(values, peaks: $0))]
            }
        }
    }

    @Test("the highest, its place, and how many are above a value", arguments: counts)
    func facts(count: Int) throws {
        for seed in 0..<6 as Range<UInt64> {
            let values = Self.logits(count, seed: seed)
            let highest = try #require(values.max())
            #expect(both(values, \.maximum) == [highest, highest])
            let place = values.firstIndex(of: highest)
            #expect(both(values) { $0.index(ofMaximum: highest) } == [place, place])
            for limit in [-.infinity, -3, 0, highest, 2.5] as [Float] {
                let above = values.count { $0 > limit }
                #expect(both(values) { $0.count(above: limit) } == [above, above])
            }
        }
    }

    @Test(
        "a row that cannot be decoded has no highest", arguments: [Float.nan, .infinity], [0, 63, 64, 100, 199])
    func broken(value: Float, place: Int) {
        var values = Self.logits(200, seed: 1)
        values[place] = value
        #expect(both(values, \.maximum) == [nil, nil])
        #expect(both(Array(repeating: -.infinity, count: 200), \.maximum) == [nil, nil])
    }

    @Test("the lowest of the highest is where sorting has it", arguments: counts, [1, 2, 40, 70, 3000])
    func thresholds(count: Int, rank: Int) {
        for seed in 0..<6 as Range<UInt64> {
            let values = Self.logits(count, seed: seed)
            let expected = rank < count ? values.sorted(by: >)[rank - 1] : -.infinity
            let found = both(values) { row in
                var highest = HighestValues()
                return highest.threshold(row, rank: rank)
            }
            #expect(found == [expected, expected], "seed \(seed)")
        }
    }

    @Test(
        "tokens, log-probabilities and candidates of beams are the same", arguments: counts,
        [
            SamplingParameters(temperature: 0), SamplingParameters(temperature: 0.8, topK: 40, seed: 1),
            SamplingParameters(topP: 0.9, seed: 2), SamplingParameters(temperature: 3, topK: 200, minP: 0.1, seed: 3),
            SamplingParameters(topH: 0.5, seed: 4), SamplingParameters(temperature: 1.5, typicalP: 0.7, seed: 5),
        ])
    func decoding(count: Int, parameters: SamplingParameters) {
        for seed in 0..<6 as Range<UInt64> {
            let values = Self.logits(count, seed: seed)
            let drawn = both(values) { row in
                var sampler = Sampler()
                return sampler.sample(row, parameters, LogitsProcessing(), context(position: Int(seed)), choice: 0)
            }
            #expect(drawn[0] == drawn[1])
            let logprobs = both(values) { Logprobs.of(0, in: $0, topCount: 20) }
            #expect(logprobs[0] == logprobs[1])
            let ranked = both(values) { row in
                var (heap, found) = (BeamHeap(), [BeamCandidate]())
                heap.reset(capacity: 9)
                if let normaliser = BeamNormaliser(row) { heap.scan(row, normaliser, running: -1.25, row: 0) }
                heap.drain(into: &found)
                return found
            }
            #expect(ranked[0] == ranked[1])
        }
    }
}
