import InferenceTypes

/// The processors, in the order in which they run, each called as its field is.
///
/// - Source: transformers 5.23, `_get_logits_processor`; OpenAI's two penalties stand where a caller's own do.
enum LogitsStage: String, CaseIterable {
    case bias = "logit_bias"
    case repetition = "repetition_penalty"
    case ngrams = "no_repeat_ngram_size"
    case badWords = "bad_words"
    case minTokens = "min_tokens"
    case allowed = "allowed_token_ids"
    case decay = "exponential_decay_length_penalty"
    case suppressed = "suppress_tokens"
    case presence = "presence_penalty"
    case frequency = "frequency_penalty"

    /// Kept, because `allCases` makes an array each time.
    static let ordered = allCases

    func isAsked(_ processing: LogitsProcessing) -> Bool {
        switch self {
        case .bias: !processing.bias.isEmpty
        case .repetition: processing.repetitionPenalty != 1
        case .ngrams: processing.noRepeatNgramSize > 0
        case .badWords: !processing.badWords.isEmpty
        case .minTokens: processing.minTokens > 0
        case .allowed: processing.allowedTokens != nil
        case .decay: processing.exponentialDecay != nil
        case .suppressed: !processing.suppressedTokens.isEmpty
        case .presence: processing.presencePenalty != 0
        case .frequency: processing.frequencyPenalty != 0
        }
    }
}
