package import InferenceTypes

/// What came of one row of logits.
package enum SampledToken: Sendable, Equatable {
    case token(TokenID)
    /// The request's own rules mask every token.
    case exhausted
    /// The model's row cannot be decoded: NaN, +∞, or nothing finite in it.
    case unusable
}

/// Picks tokens from rows of logits. Holds only memory to reuse: its answers depend on its arguments alone.
package struct Sampler {
    private var candidates = Candidates()
    private var processors = LogitsProcessors()
    private var processed: [Float] = []

    package init() {}

    /// The next token. The row stays as it is.
    ///
    /// - Parameter choice: index among the choices of a request, 0 where there is one.
    package mutating func sample(
        _ logits: ScoreRow, _ parameters: SamplingParameters, _ processing: LogitsProcessing,
        _ context: DecodingContext, choice: Int
    ) -> SampledToken {
        guard let maximum = logits.maximum else { return .unusable }
        let uniform = { CounterRandom.uniform(seed: parameters.seed, choice: choice, position: context.position) }
        guard !processing.isIdentity else { return pick(logits, maximum: maximum, parameters, uniform) }
        return withProcessed(logits, processing, context) { sampler, scores in
            guard let maximum = scores.maximum else { return .exhausted }
            return sampler.pick(scores, maximum: maximum, parameters, uniform)
        }
    }

    /// What `sample` would draw from, nil where it would draw nothing. Not for greedy parameters.
    package mutating func distribution(
        _ logits: ScoreRow, _ parameters: SamplingParameters, _ processing: LogitsProcessing,
        _ context: DecodingContext, minimumCount: Int = 1
    ) -> Candidates? {
        guard logits.maximum != nil else { return nil }
        return withProcessed(logits, processing, context) { sampler, scores in
            sampler.candidates.warp(scores, parameters, minimumCount: minimumCount) ? sampler.candidates : nil
        }
    }

    private mutating func pick(
        _ scores: ScoreRow, maximum: Float, _ parameters: SamplingParameters, _ uniform: () -> Float
    ) -> SampledToken {
        if parameters.isGreedy, let index = scores.index(ofMaximum: maximum) { return .token(TokenID(index)) }
        candidates.warp(scores, maximum: maximum, parameters, minimumCount: 1)
        return .token(candidates.draw(uniform()))
    }

    /// Runs the processors over a copy of the row.
    private mutating func withProcessed<Result>(
        _ logits: ScoreRow, _ processing: LogitsProcessing, _ context: DecodingContext,
        _ body: (inout Sampler, ScoreRow) -> Result
    ) -> Result {
        var scores: [Float] = []
        swap(&scores, &processed)
        defer { swap(&scores, &processed) }
        scores.removeAll(keepingCapacity: true)
        scores.append(contentsOf: logits.values)
        scores.withUnsafeMutableBufferPointer { processors.apply(processing, to: $0, context) }
        return scores.withUnsafeBufferPointer { body(&self, ScoreRow($0)) }
    }
}
