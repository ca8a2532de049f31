import InferenceTypes
import Tokenization

/// One run of tokens that grows: a prompt and what was generated after it. Copying it is forking it; the copier retains
/// the block table.
struct TokenSequence {
    /// Index among the request's choices.
    let choice: Int
    let promptCount: Int
    /// Prompt and generated, EOS included.
    private(set) var tokens: [TokenID]
    /// Tokens whose K and V are in the cache. The others are pending, whether they come from a prompt, from sampling or
    /// from being computed anew.
    private(set) var computedCount = 0
    /// Block of tokens `i × block size ..<`: covers what is computed and what the current step computes.
    var blockTable: [Int32] = []
    var detokenizer: StreamingDetokenizer
    var stopMatcher: StopMatcher
    private(set) var finishReason: FinishReason?

    init(choice: Int, prompt: [TokenID], detokenizer: StreamingDetokenizer, stopMatcher: StopMatcher) {
        self.choice = choice
        promptCount = prompt.count
        tokens = prompt
        self.detokenizer = detokenizer
        self.stopMatcher = stopMatcher
    }

    var pendingCount: Int { tokens.count - computedCount }
    var generatedCount: Int { tokens.count - promptCount }
    var isFinished: Bool { finishReason != nil }

    mutating func markComputed(upTo count: Int) {
        precondition(computedCount <= count && count <= tokens.count)
        computedCount = count
    }

    mutating func append(_ generated: [TokenID]) { tokens.append(contentsOf: generated) }

    mutating func finish(_ reason: FinishReason) {
        precondition(finishReason == nil, "a choice ends once")
        finishReason = reason
    }
}
