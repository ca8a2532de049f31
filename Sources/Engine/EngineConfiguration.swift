/// Sizes that bound the engine. Checked by who reads the settings; the engine trusts them.
package struct EngineConfiguration: Sendable, Equatable {
    /// Tokens that a KV block holds.
    ///
    /// - Source: vLLM's default on every device, 16: at most 15 slots of a sequence stay empty.
    package var blockSize: Int
    /// Blocks of the KV cache, for all sequences together.
    ///
    /// - Source: the memory that the deployment gives to the cache, divided by the bytes of a block.
    package var blockCount: Int
    /// Tokens of the longest sequence, prompt and generated.
    ///
    /// - Source: the model's configuration.
    package var contextCount: Int
    /// Tokens that one step computes at most: bounds the step's time, and so the time between two tokens of a client.
    ///
    /// - Source: Sarathi-Serve's smaller chunk (arXiv 2403.02310), 512; a weight read once serves as many tokens.
    package var maxBatchTokens: Int
    /// Sequences that run at once. Never more than `maxBatchTokens` do, so that each has a token in every step.
    ///
    /// - Source: reliability.md section 14, 64.
    package var maxRunningSequences: Int
    /// Positions of prompts whose logits one step computes, beside one for each running sequence: bounds their memory.
    ///
    /// - Source: 128 rows of a vocabulary of 152k are 78 MB of floats, what a small machine can spare.
    package var maxScoredTokens: Int
    /// Requests that are accepted and not started; one more is refused.
    ///
    /// - Source: reliability.md section 14, 256.
    package var maxWaitingRequests: Int
    /// Tokens of the prompts of these; a request that would make them more is refused, unless nothing waits.
    ///
    /// - Source: 256 prompts of 1,024 tokens, the median of the Azure conversation trace (2023): four bytes each, and a
    ///   queue that is full by length before it is full by number holds longer prompts than most do.
    package var maxWaitingTokens: Int
    /// A request that has not started after so long is ended; nil waits for ever.
    ///
    /// - Source: the 60 s after which load balancers give up on an answer (nginx `proxy_read_timeout`).
    package var maxQueueTime: Duration?
    /// Requests that may start before an older one that waits: then it is its turn, whatever its priority or share.
    ///
    /// - Source: half of `maxRunningSequences`: who is overtaken waits for half a change of shift.
    package var maxOvertakes: Int
    /// Whether computed prefixes are kept for later requests.
    package var cachesPrefixes: Bool
    /// How long steps may take while somebody hears an answer; prompts get what that leaves.
    package var pacing: StepPacing

    package init(
        blockSize: Int = 16, blockCount: Int, contextCount: Int, maxBatchTokens: Int = 512,
        maxRunningSequences: Int = 64, maxScoredTokens: Int = 128, maxWaitingRequests: Int = 256,
        maxWaitingTokens: Int = 262_144, maxQueueTime: Duration? = .seconds(60), maxOvertakes: Int = 32,
        cachesPrefixes: Bool = true, pacing: StepPacing = .relative(2)
    ) {
        self.blockSize = blockSize
        self.blockCount = blockCount
        self.contextCount = contextCount
        self.maxBatchTokens = maxBatchTokens
        self.maxRunningSequences = maxRunningSequences
        self.maxScoredTokens = maxScoredTokens
        self.maxWaitingRequests = maxWaitingRequests
        self.maxWaitingTokens = maxWaitingTokens
        self.maxQueueTime = maxQueueTime
        self.maxOvertakes = maxOvertakes
        self.cachesPrefixes = cachesPrefixes
        self.pacing = pacing
    }

    /// Tokens, prompt and generated, that one request can have: the context, or the whole pool where that is smaller.
    package var maxSequenceTokens: Int { min(contextCount, blockCount * blockSize) }

    /// Rows of logits that one step asks for at most.
    package var maxLogitsCount: Int { min(maxBatchTokens, maxRunningSequences + maxScoredTokens) }

    /// Sequences that one request can have.
    var maxWidth: Int { min(maxRunningSequences, maxBatchTokens) }

    /// The most sequences of such a request that can ever run together; 0 where not even one fits.
    package func sequenceCapacity(_ request: GenerationRequest) -> Int {
        let room = blockCount - request.sharedBlockCount(blockSize: blockSize)
        let own = request.ownBlockCount(blockSize: blockSize)
        return max(0, min(maxWidth, own == 0 ? maxWidth : room / own))
    }
}

/// The target for the time of a step that computes next tokens and parts of prompts together: the time between two tokens
/// of a client.
package enum StepPacing: Sendable, Equatable {
    /// So many times what the same step takes without prompts, as measured while running.
    case relative(Double)
    case absolute(Duration)
    /// Prompts take all that `maxBatchTokens` leaves.
    case unlimited
}
