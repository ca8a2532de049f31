/// A fact about one row of logits, found in one pass.
package enum LogitsRow {
    /// The highest logit, or nil where the row cannot be decoded: it holds NaN or +∞, or nothing finite. −∞ is a token
    /// that something masked.
    package static func maximum(_ logits: UnsafeBufferPointer<Float>) -> Float? {
        var maximum = -Float.infinity
        var isSound = true
        for logit in logits {
            isSound = isSound && logit < .infinity
            maximum = logit > maximum ? logit : maximum
        }
        return isSound && maximum > -.infinity ? maximum : nil
    }
}
