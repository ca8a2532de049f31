package import Engine
package import InferenceTypes

/// What one choice says, or one chunk of it: parts of a choice, appended, are the choice.
package struct ChoicePart: Sendable, Equatable {
    /// Place in the answer: `prompt × choices + choice`.
    package var index: Int
    /// Generated text.
    package var text: [UInt8] = []
    package var tokens: [GeneratedToken] = []
    /// In the first part of a choice.
    package var opening: Opening?
    /// In the last part of a choice.
    package var ending: Ending?

    package struct Opening: Sendable, Equatable {
        /// The seed in use, as the client would send it to get the same text again.
        package var seed: Int64
        package var prompt: CompletionCall.Prompt
        /// Of the prompt's second token, third, …; nil where they were not asked for.
        package var promptLogprobs: [TokenLogprobs]?
    }

    package struct Ending: Sendable, Equatable {
        package var reason: FinishReason
        /// Nil where no beams ran.
        package var beamScore: Float?
    }

    package init(index: Int) { self.index = index }

    /// With `echo`, the prompt's text before the generated one.
    package var shownText: [UInt8] { (opening?.prompt.echo?.text ?? []) + text }

    package mutating func append(_ part: ChoicePart) {
        text += part.text
        tokens += part.tokens
        opening = opening ?? part.opening
        ending = part.ending ?? ending
    }

    /// Mean log-probability of the tokens; −∞ where there is none.
    var meanLogprob: Double {
        guard !tokens.isEmpty else { return -.infinity }
        let sum = tokens.reduce(0) { $0 + Double($1.logprobs?.chosen.logprob ?? 0) }
        return sum / Double(tokens.count)
    }

    /// The best choices of one prompt, best first, under new indices; equals in the order in which they were numbered.
    ///
    /// - Source: api.md A.1, `best_of`.
    package static func best(_ count: Int, of parts: some Collection<ChoicePart>, firstIndex: Int) -> [ChoicePart] {
        let ranked = parts.sorted { ($0.meanLogprob, $1.index) > ($1.meanLogprob, $0.index) }
        return ranked.prefix(count).enumerated().map { place, part in
            var part = part
            part.index = firstIndex + place
            return part
        }
    }
}
