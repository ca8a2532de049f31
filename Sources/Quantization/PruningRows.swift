/// Removes the weights of a matrix that matter least, row by row.
///
/// Weights are compared within one output's row, by magnitude and with norms alike: Wanda found it the better group, a row
/// can then be pruned while nothing else of the model is in memory, and no output loses all it has to a neighbour of larger
/// scale. Of equal scores the one with the lower index goes first.
///
/// - Source: Sun, Liu, Bair and Kolter, "A Simple and Effective Pruning Approach for Large Language Models" (Wanda),
///   arXiv 2306.11695.
package struct Pruner: Sendable, Equatable {
    package let pattern: PruningPattern

    package init(_ pattern: PruningPattern) { self.pattern = pattern }

    /// Sets weights to zero.
    ///
    /// - Parameters:
    ///   - rows: `[outputs, columnCount]`.
    ///   - inputNorms: `[columnCount]`, the L2 norm of each input over a text; magnitude alone decides when nil.
    /// - Returns: how many were removed, such as were zero before included.
    /// - Requires: whole rows, and a norm for each column. A score that is no number counts as the highest.
    @discardableResult
    package func prune(
        _ rows: UnsafeMutableBufferPointer<Float>, columnCount: Int, inputNorms: [Float]? = nil
    ) -> Int {
        precondition(columnCount > 0 && rows.count.isMultiple(of: columnCount))
        precondition(inputNorms.map { $0.count == columnCount } ?? true)
        var scores = [UInt32](repeating: 0, count: columnCount)
        var removedCount = 0
        for start in stride(from: 0, to: rows.count, by: columnCount) {
            let row = UnsafeMutableBufferPointer(rebasing: rows[start..<start + columnCount])
            Self.score(row, inputNorms, into: &scores)
            switch pattern {
            case .fraction: removedCount += pruneRow(row, scores)
            case .blocks(_, let count):
                for first in stride(from: 0, to: columnCount, by: count) {
                    removedCount += pruneBlock(row, scores, first..<min(first + count, columnCount))
                }
            }
        }
        return removedCount
    }

    /// |w|, or |w| · ‖x‖, as bits: numbers that are not negative are ordered as their bits are.
    private static func score(
        _ row: UnsafeMutableBufferPointer<Float>, _ inputNorms: [Float]?, into scores: inout [UInt32]
    ) {
        for index in row.indices {
            let magnitude = row[index].magnitude
            let score = inputNorms.map { magnitude * $0[index] } ?? magnitude
            scores[index] = score.isNaN ? .max : score.bitPattern
        }
    }

    private func pruneRow(_ row: UnsafeMutableBufferPointer<Float>, _ scores: [UInt32]) -> Int {
        let count = pattern.removedCount(of: row.count)
        guard count > 0 else { return 0 }
        let border = RankSearch.value(ofRank: count - 1, in: scores)
        // Those on the border fill up what those below it leave.
        var ties = count - scores.reduce(0) { $0 + ($1 < border ? 1 : 0) }
        for index in row.indices where scores[index] <= border {
            if scores[index] == border {
                guard ties > 0 else { continue }
                ties -= 1
            }
            row[index] = 0
        }
        return count
    }

    private func pruneBlock(
        _ row: UnsafeMutableBufferPointer<Float>, _ scores: [UInt32], _ block: Range<Int>
    ) -> Int {
        let count = pattern.removedCount(of: block.count)
        for index in block {
            let below = block.reduce(0) { sum, other in
                let isBelow = scores[other] < scores[index] || scores[other] == scores[index] && other < index
                return sum + (isBelow ? 1 : 0)
            }
            if below < count { row[index] = 0 }
        }
        return count
    }
}

/// The value of a rank, byte by byte from the highest: a fixed number of passes, whatever the values are.
enum RankSearch {
    /// - Requires: `rank` is a place in `values` if they were sorted.
    static func value(ofRank rank: Int, in values: [UInt32]) -> UInt32 {
        precondition(values.indices.contains(rank))
        var (prefix, mask, rank) = (UInt32(0), UInt32(0), rank)
        var counts = [Int](repeating: 0, count: 256)
        for shift in [24, 16, 8, 0] as [UInt32] {
            for byte in counts.indices { counts[byte] = 0 }
            for value in values where value & mask == prefix { counts[Int(value >> shift & 0xFF)] += 1 }
            var byte = 0
            while rank >= counts[byte] {
                rank -= counts[byte]
                byte += 1
            }
            prefix |= UInt32(byte) << shift
            mask |= 0xFF << shift
        }
        return prefix
    }
}
