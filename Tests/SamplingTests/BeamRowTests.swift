import Glibc
import InferenceTypes
import TestSupport
import Testing

@testable import Sampling

struct BeamRowTests {
    @Test("log-probabilities are those of a sum in double precision", arguments: [1, 2, 15, 16, 17, 255, 300, 5000])
    func logprobs(count: Int) throws {
        var generator = TestGenerator(seed: UInt64(count))
        for scale: Float in [0.01, 1, 20, 300] {
            var logits = generator.floats(count, in: -scale...scale)
            if count > 2 { logits[1] = -.infinity }
            let maximum = try #require(logits.max())
            let sum = logits.reduce(0) { $0 + exp(Double($1) - Double(maximum)) }
            let normaliser = try #require(logits.withUnsafeBufferPointer { BeamNormaliser(ScoreRow($0)) })
            #expect(normaliser.maximum == maximum && normaliser.logSum >= 0)
            #expect(abs(Double(normaliser.logSum) - log(sum)) < 1e-6)
        }
    }

    @Test("the best of several rows, whatever the order in which they come", arguments: [1, 2, 7, 40, 400])
    func heap(capacity: Int) {
        var generator = TestGenerator(seed: 5)
        for step: Float in [0.25, 0.001] {
            let rows = (0..<3).map { _ in
                (0..<100).map { _ in (Float.random(in: -3...0, using: &generator) / step).rounded() * step }
            }
            var (heap, found) = (BeamHeap(), [BeamCandidate]())
            heap.reset(capacity: capacity)
            for (index, row) in rows.enumerated() {
                row.withUnsafeBufferPointer { heap.scan(ScoreRow($0), .identity, running: Float(-index), row: index) }
            }
            heap.drain(into: &found)
            var all: [BeamCandidate] = []
            for (index, row) in rows.enumerated() {
                for (token, score) in row.enumerated() {
                    all.append(
                        BeamCandidate(row: Int32(index), token: TokenID(token), score: score - Float(index)))
                }
            }
            let places = all.indices.sorted { (all[$1].score, $0) < (all[$0].score, $1) }
            #expect(found == places.prefix(capacity).map { all[$0] })
        }
    }

    @Test("−∞ and NaN are no candidates, a sum that overflows is one")
    func unusual() {
        var (heap, found) = (BeamHeap(), [BeamCandidate]())
        heap.reset(capacity: 4)
        let row: [Float] = [-.infinity, .nan, .greatestFiniteMagnitude, 1]
        row.withUnsafeBufferPointer { heap.scan(ScoreRow($0), .identity, running: .greatestFiniteMagnitude, row: 0) }
        heap.drain(into: &found)
        #expect(found.map(\.token) == [2, 3] && found.allSatisfy(\.score.isFinite))
    }
}
