import Glibc
package import InferenceTypes

/// Log-probabilities of a row of logits: log-softmax, in `Float`.
package enum Logprobs {
    /// log Σ exp(logit − maximum).
    ///
    /// - Requires: `maximum` is the row's, and finite.
    package static func normalizer(_ logits: UnsafeBufferPointer<Float>, maximum: Float) -> Double {
        var sum = LaneSum()
        for start in logits.laneStarts { sum.add((logits.lanes(at: start) - maximum).exponential) }
        return log(sum.total)
    }

    /// What the model thought of a token and of the `topCount` most probable ones; nil where the row cannot be decoded.
    ///
    /// - Requires: `token` is a column of the row.
    package static func of(
        _ token: TokenID, in logits: ScoreRow, topCount: Int
    ) -> TokenLogprobs? {
        guard let scale = LogSoftmax(logits) else { return nil }
        let logit = logits.values[Int(token)]
        return TokenLogprobs(
            chosen: TokenLogprobs.Entry(token: token, logprob: scale(logit)),
            rank: logits.count(above: logit) + 1, top: top(topCount, in: logits, scale))
    }
}

/// From a logit of one row to its log-probability: the one place where it is computed, so that equal logits have the
/// same value wherever they are shown.
private struct LogSoftmax {
    private var maximum: Float
    private var normalizer: Double

    init?(_ logits: ScoreRow) {
        guard let maximum = logits.maximum else { return nil }
        self.maximum = maximum
        normalizer = Logprobs.normalizer(logits.values, maximum: maximum)
    }

    @inline(__always)
    func callAsFunction(_ logit: Float) -> Float { Float(Double(logit - maximum) - normalizer) }
}

extension Logprobs {
    /// The `count` most probable tokens, best first, ties by rising id.
    ///
    /// Two logits may have the same log-probability. So the border is drawn there and not between logits: what is above
    /// it is sorted; what is on it comes in order of id and fills up.
    private static func top(
        _ count: Int, in logits: ScoreRow, _ scale: LogSoftmax
    ) -> [TokenLogprobs.Entry] {
        guard count > 0 else { return [] }
        var highest = HighestValues()
        let threshold = highest.threshold(logits, rank: count)
        let border = scale(threshold)
        let loose = threshold - (threshold.magnitude + border.magnitude) * 0x1p-20
        var (above, ties): ([TokenLogprobs.Entry], [TokenLogprobs.Entry]) = ([], [])
        logits.walk(
            where: { $0 .>= loose },
            visit: { start, _ in
                for index in start..<min(start + Lanes.scalarCount, logits.count) {
                    let entry = TokenLogprobs.Entry(token: TokenID(index), logprob: scale(logits.values[index]))
                    if entry.logprob > border {
                        above.append(entry)
                    } else if entry.logprob == border, ties.count < count {
                        ties.append(entry)
                    }
                }
            })
        above.sort { ($0.logprob, $1.token) > ($1.logprob, $0.token) }
        return above + ties.prefix(count - above.count)
    }
}
