import InferenceTypes

/// Scores of the vocabulary for the positions that a plan asked for, and the states that they come from. The runner owns
/// one and writes it anew each step: rows are valid until the next `forward`. Confined to the engine thread.
///
/// - Shapes: `[rows, vocabulary]`, row-major.
package final class Logits {
    package let vocabularyCount: Int
    package private(set) var rowCount = 0
    private var storage: UnsafeMutableBufferPointer<Float>
    /// `[rows, hidden]`: what the head read, the output of the final norm.
    private var states: UnsafeBufferPointer<Float>?

    package init(vocabularyCount: Int) {
        self.vocabularyCount = vocabularyCount
        storage = .allocate(capacity: 0)
    }

    /// For tests that script a forward pass.
    package convenience init(rows: [[Float]]) {
        self.init(vocabularyCount: rows.first?.count ?? 0)
        resize(rowCount: rows.count)
        for (index, row) in rows.enumerated() {
            precondition(row.count == vocabularyCount)
            _ = mutableRow(index).update(fromContentsOf: row)
        }
    }

    deinit { storage.deallocate() }

    /// Makes room for `rowCount` rows, contents undefined. Allocates only when more rows are wanted than ever before.
    package func resize(rowCount: Int) {
        if rowCount * vocabularyCount > storage.count {
            storage.deallocate()
            storage = .allocate(capacity: rowCount * vocabularyCount)
            storage.initialize(repeating: 0)
        }
        self.rowCount = rowCount
        states = nil
    }

    /// Lends the states behind the rows, for as long as the rows are valid.
    func lend(states: UnsafeBufferPointer<Float>) { self.states = states }

    /// Elements of a state; 0 where there are none: without rows, or where the forward pass was scripted.
    package var stateSize: Int { states.map { $0.count / rowCount } ?? 0 }

    /// The states behind rows.
    ///
    /// - Shapes: `[rows.count, stateSize]`, row-major.
    package func states(of rows: Range<Int>) -> UnsafeBufferPointer<Float> {
        guard let states else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(rebasing: states[rows.lowerBound * stateSize..<rows.upperBound * stateSize])
    }

    package func row(_ index: Int) -> UnsafeBufferPointer<Float> { UnsafeBufferPointer(mutableRow(index)) }

    package func mutableRow(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(index < rowCount)
        let start = index * vocabularyCount
        return UnsafeMutableBufferPointer(rebasing: storage[start..<start + vocabularyCount])
    }
}
