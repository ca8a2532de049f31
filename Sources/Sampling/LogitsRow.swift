/// Facts about one row of logits, each found in one pass.
package enum LogitsRow {
    /// The highest logit, or nil where the row cannot be decoded: it holds NaN or +∞, or nothing finite. −∞ is a token
    /// that something masked.
    package static func maximum(_ logits: UnsafeBufferPointer<Float>) -> Float? {
        var highest = Lanes(repeating: -.infinity)
        var isSound = LaneMask(repeating: true)
        for start in logits.laneStarts {
            let lanes = logits.lanes(at: start)
            isSound .&= lanes .< .infinity
            highest = highest.higher(lanes)
        }
        let maximum = highest.max()
        return all(isSound) && maximum > -.infinity ? maximum : nil
    }

    /// The lowest index of a value that is there.
    static func index(of value: Float, in logits: UnsafeBufferPointer<Float>) -> Int? {
        for start in logits.laneStarts where any(logits.lanes(at: start) .== value) {
            return logits[start...].firstIndex(of: value)
        }
        return nil
    }

    /// How many logits are above `limit`.
    static func count(_ logits: UnsafeBufferPointer<Float>, above limit: Float) -> Int {
        var counts = SIMD16<Int32>()
        for start in logits.laneStarts {
            counts = counts.replacing(with: counts &+ 1, where: logits.lanes(at: start) .> limit)
        }
        return Int(counts.wrappedSum())
    }
}
