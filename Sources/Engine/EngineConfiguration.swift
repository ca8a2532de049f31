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

    package init(
        blockSize: Int = 16, blockCount: Int, contextCount: Int, maxBatchTokens: Int = 512,
        maxRunningSequences: Int = 64, maxScoredTokens: Int = 128, maxWaitingRequests: Int = 256
    ) {
        self.blockSize = blockSize
        self.blockCount = blockCount
        self.contextCount = contextCount
        self.maxBatchTokens = maxBatchTokens
        self.maxRunningSequences = maxRunningSequences
        self.maxScoredTokens = maxScoredTokens
        self.maxWaitingRequests = maxWaitingRequests
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
