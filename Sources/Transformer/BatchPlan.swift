package import InferenceTypes

/// What one step computes: the one type between scheduler and runner.
///
/// A row is a run of consecutive tokens of one sequence: a chunk of its prompt, or its next token. Flat arrays, so that
/// the runner reads them without touching a request; buffers are kept between steps by `removeAll()`.
///
/// - Shapes: T tokens, R rows, L wanted logits.
package struct BatchPlan: Sendable {
    /// Copy of a whole KV block, done before anything is written: copy on write.
    package struct BlockCopy: Sendable, Equatable {
        package var source: Int32
        package var destination: Int32

        package init(source: Int32, destination: Int32) {
            self.source = source
            self.destination = destination
        }
    }

    /// `[T]` ids to embed.
    package private(set) var tokens: [TokenID] = []
    /// `[T]` position of each token in its sequence.
    package private(set) var positions: [Int32] = []
    /// `[T]` where each token's K and V go: block × block size + offset; `storedSlot` where they are there already and
    /// must not be written, because others read them.
    package private(set) var slots: [Int32] = []
    /// `[R + 1]` first token of each row; the last entry is T.
    package private(set) var rowStarts: [Int32] = [0]
    /// `[R]` tokens that the row's last token sees, itself included: its position + 1.
    package private(set) var contextCounts: [Int32] = []
    /// Block tables of all rows, one after the other.
    package private(set) var blockTables: [Int32] = []
    /// `[R + 1]` first entry of each row's block table.
    package private(set) var blockTableStarts: [Int32] = [0]
    /// `[L]` indices into `tokens` whose logits are wanted, ascending.
    package private(set) var logitsIndices: [Int32] = []
    package var blockCopies: [BlockCopy] = []

    /// - Source: `nt_kv_write`.
    package static let storedSlot: Int32 = -1

    package init() {}

    package var tokenCount: Int { tokens.count }
    package var rowCount: Int { contextCounts.count }
    package var isEmpty: Bool { tokens.isEmpty }

    /// Appends a row: tokens `range` of a sequence, whose blocks hold `blockSize` tokens each.
    ///
    /// - Parameters:
    ///   - cachedCount: tokens of the sequence whose K and V are there, computed before.
    ///   - wantsLogits: which positions of `range` want logits; each becomes one row of `Logits`, in order.
    /// - Requires: `blockTable` covers `range`; `wantsLogits` lies inside `range`.
    package mutating func appendRow(
        tokens all: [TokenID], range: Range<Int>, cachedCount: Int = 0, blockTable: [Int32], blockSize: Int,
        wantsLogits: Range<Int>
    ) {
        precondition(!range.isEmpty && range.upperBound <= blockTable.count * blockSize)
        precondition(wantsLogits.isEmpty || range.contains(wantsLogits.lowerBound))
        precondition(wantsLogits.upperBound <= range.upperBound)
        for position in range {
            if wantsLogits.contains(position) { logitsIndices.append(Int32(tokens.count)) }
            tokens.append(all[position])
            positions.append(Int32(position))
            let slot = blockTable[position / blockSize] * Int32(blockSize) + Int32(position % blockSize)
            slots.append(position < cachedCount ? Self.storedSlot : slot)
        }
        rowStarts.append(Int32(tokens.count))
        contextCounts.append(Int32(range.upperBound))
        blockTables.append(contentsOf: blockTable)
        blockTableStarts.append(Int32(blockTables.count))
    }

    /// Empties the plan and keeps its memory for the next step.
    package mutating func removeAll() {
        tokens.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
        slots.removeAll(keepingCapacity: true)
        rowStarts.removeAll(keepingCapacity: true)
        rowStarts.append(0)
        contextCounts.removeAll(keepingCapacity: true)
        blockTables.removeAll(keepingCapacity: true)
        blockTableStarts.removeAll(keepingCapacity: true)
        blockTableStarts.append(0)
        logitsIndices.removeAll(keepingCapacity: true)
        blockCopies.removeAll(keepingCapacity: true)
    }
}
