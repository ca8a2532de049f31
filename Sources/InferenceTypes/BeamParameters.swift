/// How a beam search runs. Validated.
///
/// - Source: transformers 5.23, `_beam_search`; groups: Vijayakumar et al., "Diverse Beam Search" (2016).
package struct BeamParameters: Sendable, Equatable {
    /// When the search ends once every beam has a finished hypothesis.
    package enum EarlyStopping: Sendable, Equatable {
        /// At once: `true`.
        case always
        /// When the best running beam, scored at its current length, is no better than the worst finished one: `false`.
        case heuristic
        /// When no running beam can become better, were it to grow as far as it may: `"never"`.
        case never
    }

    /// Hypotheses that are kept in each step, all groups together. At least 1.
    package var width: Int
    /// Hypotheses that are answered, best first: at most `width`.
    package var returnCount: Int
    /// Exponent of the generated length by which a sum of log-probabilities is divided.
    package var lengthPenalty: Double
    package var earlyStopping: EarlyStopping
    /// Divides `width`; 1 is plain beam search.
    package var groupCount: Int
    /// Taken off a candidate's score for each beam of an earlier group that picked its token in this step.
    package var diversityPenalty: Float

    package init(
        width: Int, returnCount: Int = 1, lengthPenalty: Double = 1, earlyStopping: EarlyStopping = .heuristic,
        groupCount: Int = 1, diversityPenalty: Float = 0
    ) {
        self.width = width
        self.returnCount = returnCount
        self.lengthPenalty = lengthPenalty
        self.earlyStopping = earlyStopping
        self.groupCount = groupCount
        self.diversityPenalty = diversityPenalty
    }
}
