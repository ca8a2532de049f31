import InferenceTypes
import Testing

@testable import Sampling

struct ContrastiveRankingTests {
    private func best(
        _ probabilities: [Float], _ states: [Float], _ penaltyAlpha: Float, context: [Float] = [3, 4, 0, 0, 0, 2]
    ) -> Int? {
        var ranking = ContrastiveRanking(hiddenSize: 3)
        context.withUnsafeBufferPointer { ranking.append($0) }
        return states.withUnsafeBufferPointer { ranking.best(probabilities, $0, penaltyAlpha: penaltyAlpha) }
    }

    // Directions of the context: (0.6, 0.8, 0) and (0, 0, 1).
    @Test(
        "the choice, by hand",
        arguments: [
            // Cosines 1 and 0.8: 0.5 × 0.6 − 0.5 × 1 = −0.2, 0.5 × 0.3 − 0.5 × 0.8 = −0.25.
            ([0.6, 0.3], [6, 8, 0, 0, 1, 0], 0.5, 0),
            // At 0.6: −0.36 and −0.36 − 0.0 = 0.12 − 0.48; a little more and the second wins.
            ([0.6, 0.3], [6, 8, 0, 0, 1, 0], 0.7, 1),
            // α = 0 is greedy, α = 1 looks at the likeness alone.
            ([0.6, 0.3], [6, 8, 0, 0, 1, 0], 0, 0), ([0.9, 0.1], [6, 8, 0, 0, 1, 0], 1, 1),
            // The highest cosine counts: 0 with one token, 1 with the other.
            ([0.5, 0.5], [0, 0, 7, -3, -4, 0], 0.5, 1),
            // Equals: the first. A state of length 0 is like nothing.
            ([0.5, 0.5], [3, 4, 0, 3, 4, 0], 0.6, 0), ([0.5, 0.4], [3, 4, 0, 0, 0, 0], 0.6, 1),
            // Squares overflow 32 bits, the direction does not.
            ([0.6, 0.3], [6e30, 8e30, 0, 0, 1e-30, 0], 0.7, 1),
        ] as [([Float], [Float], Float, Int)])
    func byHand(probabilities: [Float], states: [Float], penaltyAlpha: Float, expected: Int) {
        #expect(best(probabilities, states, penaltyAlpha) == expected)
    }

    @Test("nothing to choose from, or nothing to compute with")
    func unusable() {
        #expect(best([], [], 0.5) == nil)
        #expect(best([0.5], [.nan, 0, 0], 0.5) == nil)
        #expect(best([0.5], [.infinity, 0, 0], 0.5) == nil)
        #expect(best([0.4, 0.5], [1, 0, 0, 0, 1, 0], 0.5, context: []) == 1)
    }

    @Test("rows of more than sixteen elements, appended one by one or together")
    func longRows() {
        let size = 37
        let rows = (0..<4).map { row -> [Float] in
            (0..<size).map { column -> Float in Float((column * 7 + row * 11) % 13) - 6 }
        }
        var (together, single) = (ContrastiveRanking(hiddenSize: size), ContrastiveRanking(hiddenSize: size))
        Array(rows.joined()).withUnsafeBufferPointer { together.append($0) }
        for row in rows { row.withUnsafeBufferPointer { single.append($0) } }
        #expect(together.contextCount == 4 && single.contextCount == 4)
        // The first candidate is the third row itself, cosine 1; the second is its opposite.
        let candidates = rows[2] + rows[2].map { -$0 }
        for ranking in [together, single] {
            candidates.withUnsafeBufferPointer { states in
                #expect(ranking.best([0.9, 0.1], states, penaltyAlpha: 0.9) == 1)
                #expect(ranking.best([0.9, 0.1], states, penaltyAlpha: 0.05) == 0)
            }
        }
    }
}
