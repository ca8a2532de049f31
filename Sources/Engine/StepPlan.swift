import InferenceTypes
import Transformer

/// A `BatchPlan` and whose rows are in it.
struct StepPlan {
    struct Row {
        /// Index in the group's sequences.
        var sequence: Int
        /// Tokens of the sequence that the row computes.
        var range: Range<Int>
        /// Row of `Logits` for the last of them, nil where more of the sequence stays pending.
        var logitsRow: Int?
    }

    /// A group's rows lie side by side, because a strategy looks at them together.
    struct Part {
        var group: SequenceGroup
        var rows: Range<Int>
    }

    private(set) var batch = BatchPlan()
    private(set) var rows: [Row] = []
    private(set) var parts: [Part] = []

    var isEmpty: Bool { rows.isEmpty }

    /// Opens the part of a group; its rows follow.
    mutating func beginPart(_ group: SequenceGroup) {
        parts.append(Part(group: group, rows: rows.count..<rows.count))
    }

    /// Appends a row to the part that was opened last. Logits are wanted where the row leaves nothing pending.
    mutating func appendRow(sequence index: Int, range: Range<Int>, blockSize: Int) {
        let sequence = parts[parts.count - 1].group.sequences[index]
        let isComplete = range.upperBound == sequence.tokens.count
        let logitsRow = isComplete ? batch.logitsIndices.count : nil
        batch.appendRow(
            tokens: sequence.tokens, range: range, blockTable: sequence.blockTable, blockSize: blockSize,
            wantsLogits: (isComplete ? range.upperBound - 1 : range.upperBound)..<range.upperBound)
        rows.append(Row(sequence: index, range: range, logitsRow: logitsRow))
        parts[parts.count - 1].rows = parts[parts.count - 1].rows.lowerBound..<rows.count
    }

    /// Empties the plan and keeps its memory.
    mutating func removeAll() {
        batch.removeAll()
        rows.removeAll(keepingCapacity: true)
        parts.removeAll(keepingCapacity: true)
    }
}
