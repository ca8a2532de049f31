/// What turns a row of logits into log-probabilities: `(logit − maximum) − logSum`, in this order and in 32 bits, as
/// torch's log-softmax does. Beams add these up, so that they have the reference's sums.
struct BeamNormaliser {
    var maximum: Float
    /// At least 0, so that no log-probability is above 0.
    var logSum: Float

    /// Leaves a row as it is.
    static let identity = BeamNormaliser(maximum: 0, logSum: 0)

    private init(maximum: Float, logSum: Float) {
        self.maximum = maximum
        self.logSum = logSum
    }

    /// Nil where the row cannot be decoded: NaN, +∞, or nothing finite in it.
    init?(_ logits: ScoreRow) {
        guard let maximum = logits.maximum else { return nil }
        self.init(maximum: maximum, logSum: Float(Logprobs.normalizer(logits.values, maximum: maximum)))
    }

    @inline(__always)
    func callAsFunction(_ lanes: Lanes) -> Lanes { (lanes - maximum) - logSum }

    /// Writes the log-probabilities.
    ///
    /// - Requires: equal counts.
    func write(_ logits: UnsafeBufferPointer<Float>, into row: UnsafeMutableBufferPointer<Float>) {
        for index in 0..<logits.count { row[index] = (logits[index] - maximum) - logSum }
    }
}
