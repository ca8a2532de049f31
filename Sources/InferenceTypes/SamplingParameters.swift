/// How one choice picks its next token from the logits. Validated: every value is finite and in range.
///
/// - Source: transformers 5.23 warpers for meaning and order (temperature, top-k, top-p, min-p).
package struct SamplingParameters: Sendable, Equatable {
    /// Divides the logits; 0 means greedy (the highest logit, the lowest id on a tie). Range 0…2.
    package var temperature: Float
    /// Keeps the `topK` highest logits and whatever ties with the last of them; nil keeps all.
    package var topK: Int?
    /// Keeps the most probable tokens until their mass reaches `topP`, the crossing one included. Range 0<…1, 1 keeps all.
    package var topP: Float
    /// Drops tokens less probable than `minP` × the most probable one. Range 0…1, 0 keeps all.
    package var minP: Float
    /// Key of the counter-based random numbers. The same seed, choice and position give the same number.
    package var seed: UInt64

    package init(temperature: Float = 1, topK: Int? = nil, topP: Float = 1, minP: Float = 0, seed: UInt64 = 0) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.seed = seed
    }

    /// Temperatures up to this are greedy: dividing by smaller ones overflows (reliability.md section 13).
    package static let greedyThreshold: Float = 1e-5

    package var isGreedy: Bool { temperature <= Self.greedyThreshold }
}
