/// What the model thought of a token where it stands: log-softmax of its raw logits, before any processing.
package struct TokenLogprobs: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var token: TokenID
        package var logprob: Float

        package init(token: TokenID, logprob: Float) {
            self.token = token
            self.logprob = logprob
        }
    }

    /// The token that came. −∞ is possible; NaN is not.
    package var chosen: Entry
    /// Place of the chosen token among all, 1 for the most probable one; equals have the same.
    package var rank: Int
    /// The most probable tokens, best first, ties by rising id; as many as were asked for.
    package var top: [Entry]

    package init(chosen: Entry, rank: Int, top: [Entry]) {
        self.chosen = chosen
        self.rank = rank
        self.top = top
    }
}
