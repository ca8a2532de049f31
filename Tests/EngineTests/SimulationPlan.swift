import InferenceTypes
import Transformer

/// A plan written by hand.
struct Plan {
    struct Row {
        var tokens: [TokenID]
        var start: Int
        var table: [Int32]
        var cachedCount: Int

        /// The row computes the tokens from `start` on.
        init(_ tokens: [TokenID], from start: Int, in table: [Int32], cachedCount: Int = 0) {
            self.tokens = tokens
            self.start = start
            self.table = table
            self.cachedCount = cachedCount
        }
    }

    var batch = BatchPlan()

    /// Blocks of two tokens.
    init(_ rows: [Row]) {
        for row in rows {
            batch.appendRow(
                tokens: row.tokens, range: row.start..<row.tokens.count, cachedCount: row.cachedCount,
                blockTable: row.table, blockSize: 2, wantsLogits: row.tokens.count - 1..<row.tokens.count)
        }
    }
}
