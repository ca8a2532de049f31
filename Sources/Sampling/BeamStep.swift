package import InferenceTypes

/// What one step of a beam search came to.
package struct BeamStep: Sendable, Equatable {
    /// A running beam of the next step.
    package struct Successor: Sendable, Equatable {
        /// Index of the beam it extends among the inputs.
        package var parent: Int
        package var token: TokenID
        /// Sum of log-probabilities, this token's included.
        package var score: Float
    }

    package enum Reason: Sendable, Equatable {
        /// The token is an end.
        case end
        /// `endsEarly` said so: a stop string, or the time.
        case early
        /// `maxTokens` were generated.
        case length
    }

    /// A hypothesis that is complete with this token.
    package struct Finished: Sendable, Equatable {
        /// Unique in its search, rising.
        package var id: Int
        package var parent: Int
        package var token: TokenID
        /// Sum over the penalised length.
        package var score: Float
        package var reason: Reason
    }

    /// In the order in which the next call wants its inputs.
    package var successors: [Successor] = []
    /// What this step added to the ranking and is still in it. What the ranking lost is to be forgotten.
    package var finished: [Finished] = []
}

/// A finished hypothesis and what it is worth.
package struct RankedHypothesis: Sendable, Equatable {
    package var id: Int
    /// Sum of log-probabilities over the penalised length.
    package var score: Float
}

/// A running beam's next token.
struct BeamCandidate: Equatable {
    /// Index among the inputs.
    var row: Int32
    var token: TokenID
    /// Sum of log-probabilities, this token's included. Finite.
    var score: Float

    /// Better, or on a tie earlier in the rows laid end to end.
    static func precedes(_ left: BeamCandidate, _ right: BeamCandidate) -> Bool {
        guard left.score == right.score else { return left.score > right.score }
        return (left.row, left.token) < (right.row, right.token)
    }
}
