package import InferenceTypes

/// Tokens that may still be drawn, in order of id, with their weights: what each filter takes and leaves.
///
/// Reused from token to token; its memory grows to the vocabulary once. What it holds depends on the row and the
/// parameters alone.
package struct Candidates {
    var entries = WeightedTokens()
    var highest = HighestValues()
    var selection = MassSelection()

    package init() {}

    package var count: Int { entries.count }
    package var ids: [TokenID] { Array(entries.tokens[..<count]) }

    /// Probability of each token: softmax over those that are left.
    package var probabilities: [Float] {
        let total = entries.totalWeight
        return entries.weights[..<count].map { Float(Double($0) / total) }
    }

    /// The token at which the cumulative probability passes `uniform`.
    ///
    /// - Requires: `uniform` in `0 ..< 1`; not empty.
    package func draw(_ uniform: Float) -> TokenID {
        let target = Double(uniform) * entries.totalWeight
        var cumulative = 0.0
        var start = 0
        while start + WeightedTokens.blockSize < count {
            let next = cumulative + entries.blockWeight(start)
            if next > target { break }
            cumulative = next
            start += WeightedTokens.blockSize
        }
        // Rounding may let no entry of the block pass: then its last possible one.
        var last = start
        for index in start..<min(start + WeightedTokens.blockSize, count) where entries.weights[index] > 0 {
            cumulative += Double(entries.weights[index])
            last = index
            if cumulative > target { break }
        }
        return entries.tokens[last]
    }
}
