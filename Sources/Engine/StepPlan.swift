import InferenceTypes
import Transformer

/// A `BatchPlan` and whose rows are in it.
struct StepPlan {
    struct Row {
        /// Index in the group's sequences.
        var sequence: Int
        /// Tokens of the sequence that the row computes.
        var range: Range<Int>
        /// Rows of `Logits` for the last of them; empty where none are wanted.
        var logitsRows: Range<Int>

        /// The row of `Logits` after the sequence's last token.
        var lastLogitsRow: Int? { logitsRows.last }
    }

    /// A group's rows lie side by side, because a strategy looks at them together.
    struct Part {
        var group: SequenceGroup
        var rows: Range<Int>
    }

    private(set) var batch = BatchPlan()
    private(set) var rows: [Row] = []
    private(set) var parts: [Part] = []
    /// Rows that are somebody's next token; the others catch up.
    private(set) var nextTokenCount = 0

    var isEmpty: Bool { rows.isEmpty }

    /// Opens the part of a group; its rows follow.
    mutating func beginPart(_ group: SequenceGroup) {
        nextTokenCount += group.nextTokenCount
        parts.append(Part(group: group, rows: rows.count..<rows.count))
    }

    /// Appends a row to the part that was opened last. Logits are wanted from the group's first wanted position on.
    mutating func appendRow(sequence index: Int, range: Range<Int>, blockSize: Int) {
        let group = parts[parts.count - 1].group
        let sequence = group.sequences[index]
        let first = group.firstLogitsPosition(of: sequence)
        let wanted = min(max(first, range.lowerBound), range.upperBound)..<range.upperBound
        let firstLogitsRow = batch.logitsIndices.count
        batch.appendRow(
            tokens: sequence.tokens, range: range, cachedCount: sequence.cachedCount, blockTable: sequence.blockTable,
            blockSize: blockSize, wantsLogits: wanted)
        rows.append(
            Row(sequence: index, range: range, logitsRows: firstLogitsRow..<firstLogitsRow + wanted.count))
        parts[parts.count - 1].rows = parts[parts.count - 1].rows.lowerBound..<rows.count
    }

    /// Copies a block before anything is written.
    mutating func copyBlock(_ source: Int32, to destination: Int32) {
        batch.blockCopies.append(BatchPlan.BlockCopy(source: source, destination: destination))
    }

    /// Empties the plan and keeps its memory.
    mutating func removeAll() {
        batch.removeAll()
        rows.removeAll(keepingCapacity: true)
        parts.removeAll(keepingCapacity: true)
        nextTokenCount = 0
    }
}
