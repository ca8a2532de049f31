import InferenceTypes

/// Candidates of all rows, drawn without replacement with chances that are the softmax of their scores.
///
/// Weights are summed in blocks, so that a draw looks at one block and the sums of the others. Where rounding leaves
/// nothing to draw from but candidates remain, these are weighed anew against the best of them: a peaked distribution
/// still gives as many candidates as there are.
struct BeamDraws {
    /// Elements of a block: near the root of a vocabulary, a multiple of the lanes.
    private static let blockCount = 256

    private var tokens: [TokenID] = []
    /// −∞ for those that were drawn; filled up with it to whole blocks.
    private var scores: [Float] = []
    private var weights: [Float] = []
    private var sums: [Double] = []
    /// Where the candidates of a row end.
    private var rows: [(row: Int, end: Int)] = []

    mutating func reset() {
        tokens.removeAll(keepingCapacity: true)
        scores.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
    }

    /// Takes in a row's tokens with their scores, to which `running` is added.
    mutating func append(_ candidates: Candidates, running: Float, row: Int) {
        let entries = candidates.entries
        tokens.append(contentsOf: entries.tokens[..<entries.count])
        for score in entries.scores[..<entries.count] {
            scores.append(min(score + running, .greatestFiniteMagnitude))
        }
        rows.append((row, tokens.count))
    }

    /// Moves `count` candidates, or all where there are fewer, into `drawn` in the order of the draws.
    ///
    /// - Parameter uniform: the random number of each draw, `0 ..< 1`.
    mutating func drain(_ count: Int, into drawn: inout [BeamCandidate], uniform: (Int) -> Double) {
        drawn.removeAll(keepingCapacity: true)
        let rest = scores.count % Self.blockCount
        if rest > 0 { scores.append(contentsOf: repeatElement(-.infinity, count: Self.blockCount - rest)) }
        weigh()
        for draw in 0..<count {
            if !(sums.reduce(0, +) > 0) { weigh() }
            let total = sums.reduce(0, +)
            guard total > 0 else { return }
            drawn.append(take(index(at: uniform(draw) * total)))
        }
    }

    private mutating func take(_ index: Int) -> BeamCandidate {
        let row = rows.first { index < $0.end }?.row ?? 0
        let candidate = BeamCandidate(row: Int32(row), token: tokens[index], score: scores[index])
        scores[index] = -.infinity
        weights[index] = 0
        sums[index / Self.blockCount] = blockSum(index / Self.blockCount)
        return candidate
    }

    /// Where the cumulative weight passes `target`; the last with a weight where rounding passes none.
    private func index(at target: Double) -> Int {
        var (chosen, rest) = (0, target)
        for index in sums.indices where sums[index] > 0 {
            chosen = index
            guard rest >= sums[index] else { break }
            rest -= sums[index]
        }
        var last = 0
        for index in chosen * Self.blockCount..<(chosen + 1) * Self.blockCount where weights[index] > 0 {
            last = index
            rest -= Double(weights[index])
            if rest < 0 { break }
        }
        return last
    }
}

// MARK: - Weights

extension BeamDraws {
    /// Weights against the highest score that is left; all 0 where none is.
    private mutating func weigh() {
        if weights.count < scores.count { weights = Array(repeating: 0, count: scores.count) }
        scores.withUnsafeBufferPointer { scores in
            // Without any, −∞ − 0 has no weight either.
            let maximum = ScoreRow(scores).maximum ?? 0
            weights.withUnsafeMutableBufferPointer { weights in
                guard let start = weights.baseAddress else { return }
                for index in scores.laneStarts {
                    start.setLanes((scores.lanes(at: index) - maximum).exponential, at: index)
                }
            }
        }
        sums.removeAll(keepingCapacity: true)
        for block in 0..<scores.count / Self.blockCount { sums.append(blockSum(block)) }
    }

    private func blockSum(_ block: Int) -> Double {
        weights.withUnsafeBufferPointer { weights in
            var sum = LaneSum()
            let start = block * Self.blockCount
            for index in stride(from: start, to: start + Self.blockCount, by: Lanes.scalarCount) {
                sum.add(weights.lanes(at: index))
            }
            return sum.total
        }
    }
}

extension CounterRandom {
    /// The number of a draw among several for one position. `lane` is at least 1: the block of lane 0 is that of the
    /// sampler.
    ///
    /// - Units: 53 bits, `0 ..< 1`: a vocabulary's rare tokens are below the steps of 24 bits.
    static func uniform(seed: UInt64, position: Int, draw: Int, lane: Int) -> Double {
        let counter = UInt64(bitPattern: Int64(position))
        let block = philox(
            counter: SIMD4(
                UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
                UInt32(truncatingIfNeeded: draw), UInt32(truncatingIfNeeded: lane)),
            key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
        return Double((UInt64(block.x) << 32 | UInt64(block.y)) >> 11) * 0x1p-53
    }
}
