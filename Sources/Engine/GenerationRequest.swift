package import InferenceTypes

/// One validated request for one continued prompt: nothing optional, everything in range for the served model.
package struct GenerationRequest: Sendable {
    /// `1 ..< contextCount` ids, each inside the vocabulary.
    package var promptTokens: [TokenID]
    /// Tokens to generate at most; prompt and these together fit the context. 0 is allowed: the choice ends with `.length`.
    package var maxTokens: Int
    package var sampling: SamplingParameters
    /// Byte strings that end a choice when generated; none is empty.
    package var stopStrings: [[UInt8]]

    package init(
        promptTokens: [TokenID], maxTokens: Int, sampling: SamplingParameters, stopStrings: [[UInt8]] = []
    ) {
        self.promptTokens = promptTokens
        self.maxTokens = maxTokens
        self.sampling = sampling
        self.stopStrings = stopStrings
    }
}
