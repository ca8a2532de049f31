package import InferenceTypes
package import Sampling

/// What a client hears of its request, in order. The stream ends after `.finished` of the last choice.
package enum GenerationEvent: Sendable, Equatable {
    /// A step has computed some of it: from now on it does not end for having waited too long. Once, before all others,
    /// of a request that comes to that.
    ///
    /// - Parameter waited: from its acceptance to the beginning of that step.
    case started(waited: Duration)
    /// Logprobs of the prompt's second token, third, …: once, before any text, where they were asked for.
    case prompt([TokenLogprobs])
    /// A choice grew.
    case delta(TextDelta)
    /// A choice ended; no event for this choice follows.
    case finished(FinishedChoice)
    /// How a step came to its tokens, where that was asked for.
    case explained(StepExplanation)
}

/// Growth of one choice.
package struct TextDelta: Sendable, Equatable {
    /// Which choice of the request.
    package var choice: Int
    /// Well-formed UTF-8 to append; may be empty while bytes are held back (an unfinished scalar, the head of a stop
    /// string), and ahead of the tokens where beams agree on a text and not yet on its tokens.
    package var text: [UInt8]
    /// Tokens to append, EOS included.
    package var tokens: [GeneratedToken]

    package init(choice: Int, text: [UInt8], tokens: [GeneratedToken]) {
        self.choice = choice
        self.text = text
        self.tokens = tokens
    }
}

/// A generated token and where its text stands.
package struct GeneratedToken: Sendable, Equatable {
    package var id: TokenID
    /// Whole scalars of the choice's generated text before this token's.
    package var textOffset: Int
    /// Nil where they were not asked for.
    package var logprobs: TokenLogprobs?

    package init(id: TokenID, textOffset: Int, logprobs: TokenLogprobs? = nil) {
        self.id = id
        self.textOffset = textOffset
        self.logprobs = logprobs
    }
}

package struct FinishedChoice: Sendable, Equatable {
    package var choice: Int
    package var reason: FinishReason
    /// Sum of log-probabilities over the penalised length; nil where no beams ran.
    package var beamScore: Float?
    /// Tokens generated for the request so far: of the other choices, and of beams that lost.
    package var generatedTokenCount: Int
    /// Tokens of the prompt that came from the prefix cache when the request was first served.
    package var cachedTokenCount: Int

    package init(
        choice: Int, reason: FinishReason, beamScore: Float? = nil, generatedTokenCount: Int = 0,
        cachedTokenCount: Int = 0
    ) {
        self.choice = choice
        self.reason = reason
        self.beamScore = beamScore
        self.generatedTokenCount = generatedTokenCount
        self.cachedTokenCount = cachedTokenCount
    }
}

/// Why a request is not taken. Thrown at once, before anything is queued.
package enum AdmissionError: Error, Sendable, Equatable {
    /// Too many requests, or tokens of their prompts, wait: 429. By what was measured, those that wait now have started
    /// after so many seconds.
    case queueFull(retryAfter: Int)
    /// Shutting down: 503.
    case draining
    /// Prompt and `maxTokens` can never fit the context: 400. The number is what fits.
    case tooLong(limit: Int)
    /// So many sequences together can never fit the KV pool or the engine's bound: 400. The number is what fits.
    case tooWide(limit: Int)
}
