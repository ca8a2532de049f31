package import InferenceTypes

/// How one step of a request came to its tokens: for people who want to see it.
package enum StepExplanation: Sendable, Equatable {
    case sampled(SamplingTrace)
    case beams(BeamTrace)
}

/// The way from a row of logits to one token.
package struct SamplingTrace: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var token: TokenID
        package var probability: Float

        package init(token: TokenID, probability: Float) {
            self.token = token
            self.probability = probability
        }
    }

    /// What one processor or warper did.
    package struct Stage: Sendable, Equatable {
        /// As its field is called: `top_p`.
        package var name: String
        package var removedCount: Int
        /// The most probable of the removed, with their probabilities before the stage; a few.
        package var removed: [Entry]

        package init(name: String, removedCount: Int, removed: [Entry]) {
            self.name = name
            self.removedCount = removedCount
            self.removed = removed
        }
    }

    /// The choice and the position that the token will have in its sequence.
    package var choice: Int
    package var position: Int
    /// The most probable tokens of the model, before any stage; a few.
    package var model: [Entry]
    /// Stages that were asked for, in their order; those that removed nothing included.
    package var stages: [Stage]
    /// The most probable tokens that were left to draw from; a few.
    package var candidates: [Entry]
    package var candidateCount: Int
    package var chosen: TokenID

    package init(
        choice: Int, position: Int, model: [Entry], stages: [Stage], candidates: [Entry], candidateCount: Int,
        chosen: TokenID
    ) {
        self.choice = choice
        self.position = position
        self.model = model
        self.stages = stages
        self.candidates = candidates
        self.candidateCount = candidateCount
        self.chosen = chosen
    }
}

/// One level of a beam search's tree.
package struct BeamTrace: Sendable, Equatable {
    package enum Fate: Sendable, Equatable {
        /// Runs on as the beam with this index of the next step.
        case continues(Int)
        /// Became a finished hypothesis with this score.
        case finishes(Float)
        case dropped
    }

    package struct Candidate: Sendable, Equatable {
        /// Index of the beam it extends.
        package var parent: Int
        package var token: TokenID
        /// Sum of log-probabilities, this token's included.
        package var score: Float
        package var fate: Fate

        package init(parent: Int, token: TokenID, score: Float, fate: Fate) {
            self.parent = parent
            self.token = token
            self.score = score
            self.fate = fate
        }
    }

    /// The position that the tokens will have in their sequences.
    package var position: Int
    /// In the order in which the search ranked (or drew) them, group by group.
    package var candidates: [Candidate]

    package init(position: Int, candidates: [Candidate]) {
        self.position = position
        self.candidates = candidates
    }
}
