package import InferenceTypes

/// What a choice or a beam has so far, as far as it changes which token comes next.
package struct DecodingContext: Sendable {
    /// Prompt and generated tokens.
    package var tokens: [TokenID]
    /// How many of `tokens` are the prompt's.
    package var promptCount: Int
    /// Every id that ends the sequence, ascending; may be empty.
    package var ends: [TokenID]

    /// - Requires: `promptCount` at most the count of `tokens`.
    package init(tokens: [TokenID], promptCount: Int, ends: [TokenID]) {
        precondition(promptCount >= 0 && promptCount <= tokens.count, "a prompt is part of its sequence")
        self.tokens = tokens
        self.promptCount = promptCount
        self.ends = ends
    }

    package var generatedCount: Int { tokens.count - promptCount }
    package var generated: ArraySlice<TokenID> { tokens[promptCount...] }
    /// Where the next token will stand.
    package var position: Int { tokens.count }
}
