/// A row of scores, and the highest of each run of them where somebody has found these: what looks for high ones then
/// walks over the runs that have some, a few of a vocabulary. No answer depends on whether the peaks are there.
package struct ScoreRow {
    /// Scores that share a peak.
    package static let runCount = 64

    package let values: UnsafeBufferPointer<Float>
    /// +∞ for a run that holds NaN or +∞.
    ///
    /// - Shapes: `[⌈values / runCount⌉]`.
    private let peaks: UnsafeBufferPointer<Float>?

    package init(_ values: UnsafeBufferPointer<Float>, peaks: UnsafeBufferPointer<Float>? = nil) {
        if let peaks {
            precondition(peaks.count == (values.count + Self.runCount - 1) / Self.runCount, "other runs")
        }
        self.values = values
        self.peaks = peaks
    }

    package var count: Int { values.count }

    /// The highest score, or nil where the row cannot be decoded: it holds NaN or +∞, or nothing finite. −∞ is a token
    /// that something masked.
    package var maximum: Float? { (peaks ?? values).highest }

    /// Walks over the lanes that hold a score which `reaches`, in order; −∞ past the end.
    ///
    /// - Requires: the row has a maximum; where a score reaches, so does a higher one.
    @inline(__always)
    func walk(where reaches: (Lanes) -> LaneMask, visit body: (_ start: Int, _ lanes: Lanes) -> Void) {
        guard let peaks else { return walk(values.indices, reaches, body) }
        for first in peaks.laneStarts {
            let mask = reaches(peaks.lanes(at: first))
            guard any(mask) else { continue }
            for run in first..<min(first + Lanes.scalarCount, peaks.count) where mask[run - first] {
                walk(run * Self.runCount..<min((run + 1) * Self.runCount, values.count), reaches, body)
            }
        }
    }

    @inline(__always)
    private func walk(_ range: Range<Int>, _ reaches: (Lanes) -> LaneMask, _ body: (Int, Lanes) -> Void) {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Lanes.scalarCount) {
            let lanes = values.lanes(at: start)
            if any(reaches(lanes)) { body(start, lanes) }
        }
    }

    /// The lowest index of the highest score.
    func index(ofMaximum maximum: Float) -> Int? {
        guard let peaks else { return values.index(of: maximum, from: 0) }
        return peaks.index(of: maximum, from: 0).flatMap { values.index(of: maximum, from: $0 * Self.runCount) }
    }

    /// How many scores are above `limit`.
    func count(above limit: Float) -> Int {
        var counts = SIMD16<Int32>()
        walk(
            where: { $0 .> limit },
            visit: { _, lanes in counts = counts.replacing(with: counts &+ 1, where: lanes .> limit) })
        return Int(counts.wrappedSum())
    }

    /// At most the `rank`-th highest score: so many runs reach it.
    func floor(rank: Int, _ heap: inout HighestValues) -> Float {
        peaks.map { heap.threshold(ScoreRow($0), rank: rank) } ?? -.infinity
    }
}

extension UnsafeBufferPointer<Float> {
    fileprivate var highest: Float? {
        var highest = Lanes(repeating: -.infinity)
        var isSound = LaneMask(repeating: true)
        for start in laneStarts {
            let lanes = lanes(at: start)
            isSound .&= lanes .< .infinity
            highest = highest.higher(lanes)
        }
        let maximum = highest.max()
        return all(isSound) && maximum > -.infinity ? maximum : nil
    }

    fileprivate func index(of value: Float, from first: Int) -> Int? {
        for start in stride(from: first, to: count, by: Lanes.scalarCount) where any(lanes(at: start) .== value) {
            return self[start...].firstIndex(of: value)
        }
        return nil
    }
}
