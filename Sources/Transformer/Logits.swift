import InferenceTypes

/// Scores of the vocabulary for the positions that a plan asked for. The runner owns one and writes it anew each step:
/// rows are valid until the next `forward`. Confined to the engine thread.
///
/// - Shapes: `[rows, vocabulary]`, row-major.
package final class Logits {
    package let vocabularyCount: Int
    package private(set) var rowCount = 0
    private var storage: UnsafeMutableBufferPointer<Float>

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
    }

    package func row(_ index: Int) -> UnsafeBufferPointer<Float> { UnsafeBufferPointer(mutableRow(index)) }

    package func mutableRow(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(index < rowCount)
        let start = index * vocabularyCount
        return UnsafeMutableBufferPointer(rebasing: storage[start..<start + vocabularyCount])
    }
}
