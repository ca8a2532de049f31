/// What changes a row of scores before a token is picked from it, in the order of these fields. Validated: every value is
/// finite and in range, every id inside the vocabulary.
///
/// - Source: transformers 5.23, `_get_logits_processor`; the presence and frequency penalties are OpenAI's and stand
///   where a caller's own processors do.
package struct LogitsProcessing: Sendable, Equatable {
    package struct Bias: Sendable, Equatable {
        package var token: TokenID
        package var value: Float

        package init(token: TokenID, value: Float) {
            self.token = token
            self.value = value
        }
    }

    /// From `start` generated tokens on, the ends of a sequence gain |score| × (`factor`^(tokens past start) − 1).
    package struct ExponentialDecay: Sendable, Equatable {
        package var start: Int
        /// Double precision: its power grows with the text.
        package var factor: Double

        package init(start: Int, factor: Double) {
            self.start = start
            self.factor = factor
        }
    }

    /// Added to the scores of single tokens.
    package var bias: [Bias] = []
    /// Over every token of prompt and text, each once: a negative score × this, another ÷ this. Above 0, 1 is off.
    package var repetitionPenalty: Float = 1
    /// No run of so many tokens comes twice, prompt included; 0 is off.
    package var noRepeatNgramSize = 0
    /// Runs of tokens that never come to their end; none is empty.
    package var badWords: [[TokenID]] = []
    /// Ends of a sequence are masked until so many tokens were generated.
    package var minTokens = 0
    /// Everything else is masked; nil allows all. Not empty.
    package var allowedTokens: [TokenID]?
    package var exponentialDecay: ExponentialDecay?
    /// Always masked.
    package var suppressedTokens: [TokenID] = []
    /// Taken off the score of each generated token once. Range −2…2.
    package var presencePenalty: Float = 0
    /// Taken off the score of each generated token once for each time. Range −2…2.
    package var frequencyPenalty: Float = 0

    package init() {}

    /// No score is changed.
    package var isIdentity: Bool { self == LogitsProcessing() }

    /// A log-probability may rise above 0, so that sums of them need not fall.
    package var mayRaise: Bool {
        presencePenalty < 0 || frequencyPenalty < 0 || exponentialDecay != nil || bias.contains { $0.value > 0 }
    }
}
