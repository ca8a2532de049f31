/// Which of the scores may be drawn, and with what chance. Validated: every value is finite and in range.
///
/// - Source: transformers 5.23, its warpers and their order: temperature, top-h, top-k, top-p, min-p, typical, epsilon,
///   eta.
package struct SamplingParameters: Sendable, Equatable {
    /// Divides the scores; 0 means greedy (the highest score, the lowest id on a tie). Range 0…2.
    package var temperature: Float
    /// Keeps the most probable tokens while their entropy is at most `topH` × that of the 100 most probable ones
    /// (Potraghloo et al. 2025). Range 0<…1, nil is off.
    package var topH: Float?
    /// Keeps the `topK` highest scores and whatever ties with the last of them; nil keeps all.
    package var topK: Int?
    /// Keeps the most probable tokens until their mass reaches `topP`, the crossing one included. Range 0<…1, 1 keeps all.
    package var topP: Float
    /// Drops tokens less probable than `minP` × the most probable one. Range 0…1, 0 keeps all.
    package var minP: Float
    /// Keeps the tokens whose surprise is nearest to the expected one until their mass reaches `typicalP` (Meister et
    /// al. 2022). Range 0<…1, 1 keeps all.
    package var typicalP: Float
    /// Drops tokens less probable than this. Range 0…1, 0 keeps all.
    package var epsilonCutoff: Float
    /// Drops tokens less probable than min(η, √η × exp(−entropy)) (Hewitt et al. 2022). Range 0…1, 0 keeps all.
    package var etaCutoff: Float
    /// Key of the counter-based random numbers. The same seed, choice and position give the same number.
    package var seed: UInt64

    package init(
        temperature: Float = 1, topH: Float? = nil, topK: Int? = nil, topP: Float = 1, minP: Float = 0,
        typicalP: Float = 1, epsilonCutoff: Float = 0, etaCutoff: Float = 0, seed: UInt64 = 0
    ) {
        self.temperature = temperature
        self.topH = topH
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.typicalP = typicalP
        self.epsilonCutoff = epsilonCutoff
        self.etaCutoff = etaCutoff
        self.seed = seed
    }

    /// Temperatures up to this are greedy: dividing by smaller ones overflows (reliability.md section 13).
    package static let greedyThreshold: Float = 1e-5

    package var isGreedy: Bool { temperature <= Self.greedyThreshold }
}
