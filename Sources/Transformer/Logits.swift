import InferenceTypes
import Kernels

/// Scores of the vocabulary for the positions that a plan asked for, and the states that they come from. The runner owns
/// one and writes it anew each step: rows are valid until the next `forward`. Confined to the engine thread.
///
/// - Shapes: `[rows, vocabulary]`, row-major.
package final class Logits {
    package let vocabularyCount: Int
    package private(set) var rowCount = 0
    private var storage: UnsafeMutableBufferPointer<Float>
    /// `[rows, peaks of a row]`; empty until `findPeaks`.
    private var peakStorage: UnsafeMutableBufferPointer<Float>
    private var hasPeaks = false
    /// `[rows, hidden]`: what the head read, the output of the final norm.
    private var states: UnsafeBufferPointer<Float>?

    package init(vocabularyCount: Int) {
        self.vocabularyCount = vocabularyCount
        storage = .allocate(capacity: 0)
        peakStorage = .allocate(capacity: 0)
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

    deinit {
        storage.deallocate()
        peakStorage.deallocate()
    }

    /// Makes room for `rowCount` rows, contents undefined. Allocates only when more rows are wanted than ever before.
    package func resize(rowCount: Int) {
        if rowCount * vocabularyCount > storage.count {
            storage.deallocate()
            storage = .allocate(capacity: rowCount * vocabularyCount)
            storage.initialize(repeating: 0)
            peakStorage.deallocate()
            peakStorage = .allocate(capacity: rowCount * Workers.peakCount(vocabularyCount))
        }
        self.rowCount = rowCount
        states = nil
        hasPeaks = false
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

    /// Finds the highest of each run of scores, all threads together.
    func findPeaks(_ workers: Workers) {
        guard rowCount > 0, let base = storage.baseAddress, let peaks = peakStorage.baseAddress else { return }
        workers.peaks(
            of: FloatRows(base, rowCount: rowCount, columnCount: vocabularyCount),
            into: FloatRows(peaks, rowCount: rowCount, columnCount: Workers.peakCount(vocabularyCount)))
        hasPeaks = true
    }

    /// The highest of each `Workers.peakRunCount` scores of a row, +∞ where these hold NaN or +∞; nil where the forward
    /// pass was scripted.
    package func peaks(_ index: Int) -> UnsafeBufferPointer<Float>? {
        guard hasPeaks else { return nil }
        let count = Workers.peakCount(vocabularyCount)
        return UnsafeBufferPointer(rebasing: peakStorage[index * count..<(index + 1) * count])
    }

    package func row(_ index: Int) -> UnsafeBufferPointer<Float> { UnsafeBufferPointer(mutableRow(index)) }

    package func mutableRow(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        precondition(index < rowCount)
        let start = index * vocabularyCount
        return UnsafeMutableBufferPointer(rebasing: storage[start..<start + vocabularyCount])
    }
}
