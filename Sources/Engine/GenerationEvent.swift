package import InferenceTypes

/// What a client hears of its request, in order. The stream ends after `.finished` of the last choice.
package enum GenerationEvent: Sendable, Equatable {
    /// A choice grew.
    case delta(TextDelta)
    /// A choice ended; no event for this choice follows.
    case finished(choice: Int, reason: FinishReason)
}

/// Growth of one choice by one step.
package struct TextDelta: Sendable, Equatable {
    /// Which choice; 0 while requests have one.
    package var choice: Int
    /// Well-formed UTF-8 to append; may be empty while bytes are held back (an unfinished scalar, the head of a stop
    /// string).
    package var text: [UInt8]
    /// The tokens generated in this step, EOS included.
    package var tokens: [TokenID]

    package init(choice: Int, text: [UInt8], tokens: [TokenID]) {
        self.choice = choice
        self.text = text
        self.tokens = tokens
    }
}

/// Why a request is not taken. Thrown at once, before anything is queued.
package enum AdmissionError: Error, Sendable, Equatable {
    /// Too many requests wait: 429.
    case queueFull
    /// Shutting down: 503.
    case draining
    /// Prompt and `maxTokens` can never fit the KV pool: 400. The number is what fits.
    case tooLong(limit: Int)
}
