import Glibc
package import InferenceTypes

/// Changes a row of scores as a request asks, in place. Holds only memory to reuse: a row's scores depend on the
/// arguments alone.
///
/// A masked score is −∞ and stays so. An id that is no column of the row is passed over: an embedding may have more rows
/// than the head has columns.
package struct LogitsProcessors {
    /// How often a token came; all 0 between two stages.
    private var counts: [Int32] = []
    /// The scores of the allowed tokens while everything is masked.
    private var allowedScores: [Float] = []
    private var runs = TokenRuns()

    package init() {}

    /// Runs every stage that is asked for.
    ///
    /// - Requires: no NaN and no +∞ in `scores`; there is none afterwards.
    package mutating func apply(
        _ processing: LogitsProcessing, to scores: UnsafeMutableBufferPointer<Float>, _ context: DecodingContext
    ) {
        for stage in LogitsStage.ordered where stage.isAsked(processing) {
            apply(stage, processing, to: scores, context)
        }
    }

    mutating func apply(
        _ stage: LogitsStage, _ processing: LogitsProcessing, to scores: UnsafeMutableBufferPointer<Float>,
        _ context: DecodingContext
    ) {
        switch stage {
        case .bias: Self.add(processing.bias, to: scores)
        case .repetition: penalise(context.tokens[...], in: scores) { $0.repeated(processing.repetitionPenalty) }
        case .ngrams: runs.maskRepeats(processing.noRepeatNgramSize, of: context.tokens, in: scores)
        case .badWords: TokenRuns.maskEnds(of: processing.badWords, in: scores, context)
        case .minTokens: Self.maskEarlyEnds(processing.minTokens, in: scores, context)
        case .allowed: keepOnly(processing.allowedTokens ?? [], in: scores)
        case .decay: Self.raiseEnds(processing.exponentialDecay, in: scores, context)
        case .suppressed: for token in processing.suppressedTokens { scores.mask(token) }
        case .presence: penalise(context.generated, in: scores) { $0.less(processing.presencePenalty) }
        case .frequency:
            penaliseByCount(context.generated, in: scores) { $0.less(Float($1) * processing.frequencyPenalty) }
        }
    }
}

// MARK: - Stages

extension LogitsProcessors {
    private static func add(_ bias: [LogitsProcessing.Bias], to scores: UnsafeMutableBufferPointer<Float>) {
        for entry in bias { scores.change(entry.token) { $0.less(-entry.value) } }
    }

    private static func maskEarlyEnds(
        _ minTokens: Int, in scores: UnsafeMutableBufferPointer<Float>, _ context: DecodingContext
    ) {
        guard context.generatedCount < minTokens else { return }
        for token in context.ends { scores.mask(token) }
    }

    /// From one token past the start on: score + |score| × (factor^(tokens past it) − 1).
    private static func raiseEnds(
        _ decay: LogitsProcessing.ExponentialDecay?, in scores: UnsafeMutableBufferPointer<Float>,
        _ context: DecodingContext
    ) {
        guard let decay, context.generatedCount > decay.start else { return }
        let growth = pow(decay.factor, Double(context.generatedCount - decay.start)) - 1
        let factor = Float(min(growth, Double(Float.greatestFiniteMagnitude)))
        for token in context.ends {
            scores.change(token) { $0 == -.infinity ? $0 : ($0 + abs($0) * factor).saturated }
        }
    }

    private mutating func keepOnly(_ allowed: [TokenID], in scores: UnsafeMutableBufferPointer<Float>) {
        allowedScores.removeAll(keepingCapacity: true)
        let inside = allowed.lazy.map { Int($0) }.filter { scores.indices.contains($0) }
        for index in inside { allowedScores.append(scores[index]) }
        scores.update(repeating: -.infinity)
        for (index, score) in zip(inside, allowedScores) { scores[index] = score }
    }

    /// Changes the score of each token once, however often it is there.
    private mutating func penalise(
        _ tokens: ArraySlice<TokenID>, in scores: UnsafeMutableBufferPointer<Float>, _ change: (Float) -> Float
    ) {
        penaliseByCount(tokens, in: scores) { score, _ in change(score) }
    }

    /// Changes the score of each token once, knowing how often it is there. Two walks over the tokens, none over the
    /// vocabulary: the first meeting with a token takes its count away again.
    private mutating func penaliseByCount(
        _ tokens: ArraySlice<TokenID>, in scores: UnsafeMutableBufferPointer<Float>,
        _ change: (Float, Int32) -> Float
    ) {
        if counts.count < scores.count { counts = Array(repeating: 0, count: scores.count) }
        for token in tokens where scores.indices.contains(Int(token)) { counts[Int(token)] += 1 }
        for token in tokens where scores.indices.contains(Int(token)) && counts[Int(token)] > 0 {
            scores[Int(token)] = change(scores[Int(token)], counts[Int(token)])
            counts[Int(token)] = 0
        }
    }
}

// MARK: - Scores

extension UnsafeMutableBufferPointer<Float> {
    func mask(_ token: TokenID) { change(token) { _ in -.infinity } }

    func change(_ token: TokenID, _ change: (Float) -> Float) {
        guard indices.contains(Int(token)) else { return }
        self[Int(token)] = change(self[Int(token)])
    }
}

extension Float {
    /// A score too large for its type is the largest one there is: +∞ could not be drawn from.
    fileprivate var saturated: Float { Swift.min(self, .greatestFiniteMagnitude) }

    fileprivate func less(_ amount: Float) -> Float { (self - amount).saturated }

    fileprivate func repeated(_ penalty: Float) -> Float {
        (self < 0 ? self * penalty : self / penalty).saturated
    }
}
