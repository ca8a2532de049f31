import Glibc
package import InferenceTypes

/// Facts about one row of logits, each in one pass and in one order.
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

    /// Log-softmax of one token over the whole row, before any filter.
    ///
    /// - Units: nats, at most 0; −∞ for a masked token.
    /// - Requires: `maximum` is the row's.
    package static func logProbability(
        of token: TokenID, in logits: UnsafeBufferPointer<Float>, maximum: Float
    ) -> Float {
        var total = 0.0
        for logit in logits { total += Double(expf(logit - maximum)) }
        return min(0, Float(Double(logits[Int(token)] - maximum) - log(total)))
    }
}
