/// Bounds on one request.
enum RequestLimits {
    /// - Source: reliability.md section 14 (vLLM 16384, TGI 4).
    static let promptCount = 512
    /// Choices of one call, those that `best_of` drops included.
    ///
    /// - Source: reliability.md section 14, prompts × n.
    static let totalChoiceCount = 512
    /// - Source: OpenAI's schema.
    static let maxTokensDefault = 16
    static let temperature = 0.0...2.0
    static let choiceCount: ClosedRange<Int> = 1...128
    static let bestOf: ClosedRange<Int> = 1...20
    static let penalty = -2.0...2.0
    static let bias = -100.0...100.0
    /// - Source: api.md A.1: lm-eval sends more than OpenAI's 4.
    static let stopCount = 64
    static let stopByteCount = 1024
    /// As many as stop strings: each is another candidate for every beam in every step (api.md D.4, K).
    static let stopTokenCount = 64
    /// - Source: reliability.md section 14.
    static let biasCount = 1024
    /// As many as entries of `logit_bias`, and as long as a stop string: each is compared in every step.
    static let badWordCount = 1024
    static let badWordByteCount = 1024
    /// Wide enough for every use that was published (1.0 to 2.0); beyond it a score leaves what a `Float` holds.
    static let repetitionPenalty = 0.001...1000.0
    /// The power of a length of a million is still far inside what a `Double` holds.
    static let lengthPenalty = -10.0...10.0
    /// As `logit_bias`: more than any two scores are apart.
    static let diversityPenalty = 0.0...100.0
    /// Published uses stay below 1.1; powers of more overflow within a few hundred tokens.
    static let decayFactor = 10.0
    /// - Units: seconds. A year: longer than a server runs.
    static let maxTime = 31_536_000.0
    /// - Source: vLLM asks for 43 characters, 256 bits in base64; room for a name of several such parts.
    static let cacheSaltByteCount = 256
    /// Clients send a name, an address or a digest. The engine remembers it while it shares out its time.
    static let userByteCount = 512
    /// Counts that only tokens can reach.
    static let tokenCount: ClosedRange<Int> = 0...Int(Int32.max)
}
