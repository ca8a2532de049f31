import Glibc

/// Contrastive search's memory of one sequence, and its choice: probable, and unlike what is there.
///
/// Holds the hidden state of every token so far, scaled to length 1 when it came, so that a cosine is a dot product.
///
/// - Source: Y. Su et al., "A Contrastive Framework for Neural Text Generation" (2022), equation 5.
package struct ContrastiveRanking {
    private let hiddenSize: Int
    /// Directions, [count, hiddenSize] row-major.
    private var context: [Float] = []

    /// - Requires: `hiddenSize` > 0.
    package init(hiddenSize: Int) {
        precondition(hiddenSize > 0, "hidden states have elements")
        self.hiddenSize = hiddenSize
    }

    /// Tokens that are there.
    package var contextCount: Int { context.count / hiddenSize }

    /// Remembers tokens that are there: the prompt's, then each one that was chosen.
    ///
    /// - Shapes: `states` [n, hiddenSize] row-major.
    package mutating func append(_ states: UnsafeBufferPointer<Float>) {
        precondition(states.count % hiddenSize == 0, "whole hidden states")
        for start in stride(from: 0, to: states.count, by: hiddenSize) {
            let state = UnsafeBufferPointer(rebasing: states[start..<start + hiddenSize])
            let scale = Self.scale(state)
            context.append(contentsOf: state.lazy.map { Float(Double($0) * scale) })
        }
    }

    /// The candidate with the highest (1 − α) × probability − α × (highest cosine with the context), the first on a tie.
    ///
    /// A state of length 0 is like nothing: its cosine is 0. So is the highest one where the context is empty.
    ///
    /// - Shapes: `states` [probabilities.count, hiddenSize] row-major.
    /// - Returns: nil where there is no candidate, or a state or probability is not finite.
    package func best(
        _ probabilities: [Float], _ states: UnsafeBufferPointer<Float>, penaltyAlpha: Float
    ) -> Int? {
        precondition(states.count == probabilities.count * hiddenSize, "one hidden state for each candidate")
        var best: (index: Int, score: Float)?
        for (index, probability) in probabilities.enumerated() {
            let state = UnsafeBufferPointer(rebasing: states[index * hiddenSize..<(index + 1) * hiddenSize])
            let score = (1 - penaltyAlpha) * probability - penaltyAlpha * highestCosine(state)
            guard score.isFinite else { return nil }
            if score > best?.score ?? -.infinity { best = (index, score) }
        }
        return best?.index
    }

    private func highestCosine(_ state: UnsafeBufferPointer<Float>) -> Float {
        let scale = Self.scale(state)
        guard scale.isFinite else { return .nan }
        let direction = state.map { Float(Double($0) * scale) }
        guard !context.isEmpty else { return 0 }
        var highest = -Float.infinity
        direction.withUnsafeBufferPointer { direction in
            context.withUnsafeBufferPointer { context in
                for start in stride(from: 0, to: context.count, by: hiddenSize) {
                    let other = UnsafeBufferPointer(rebasing: context[start..<start + hiddenSize])
                    highest = max(highest, Self.dot(direction, other))
                }
            }
        }
        return highest
    }

    /// 1 over the length, 0 for length 0. In double precision: squares of large elements overflow `Float`.
    private static func scale(_ state: UnsafeBufferPointer<Float>) -> Double {
        let squares = state.reduce(0.0) { $0 + Double($1) * Double($1) }
        return squares == 0 ? 0 : squares.isFinite ? 1 / sqrt(squares) : .nan
    }

    /// Sixteen sums side by side, in an order that depends on the count alone.
    private static func dot(_ left: UnsafeBufferPointer<Float>, _ right: UnsafeBufferPointer<Float>) -> Float {
        typealias Lanes = SIMD16<Float>
        let (leftBytes, rightBytes) = (UnsafeRawBufferPointer(left), UnsafeRawBufferPointer(right))
        var sums = Lanes.zero
        let whole = left.count / Lanes.scalarCount
        for block in 0..<whole {
            let offset = block * MemoryLayout<Lanes>.size
            sums +=
                leftBytes.loadUnaligned(fromByteOffset: offset, as: Lanes.self)
                * rightBytes.loadUnaligned(fromByteOffset: offset, as: Lanes.self)
        }
        var rest: Float = 0
        for index in whole * Lanes.scalarCount..<left.count { rest += left[index] * right[index] }
        return sums.sum() + rest
    }
}
