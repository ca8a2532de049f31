import InferenceTypes

/// One run of tokens that grows: a prompt and what was generated after it. Copying it is forking it; who keeps the copy
/// retains the block table.
struct TokenSequence {
    /// Under which number it draws and is heard. Beams have none of their own.
    var choice: Int
    let promptCount: Int
    /// Prompt and generated, EOS included.
    private(set) var tokens: [TokenID]
    /// Tokens whose K and V are in the cache. The others are pending, whether they come from a prompt, from sampling or
    /// from being computed anew.
    private(set) var computedCount = 0
    /// Tokens whose K and V were there when the sequence began. They may be more than those that count as computed: the
    /// last token of a prompt is computed for its logits even where all of it is cached.
    private(set) var cachedCount = 0
    /// Block of tokens `i × block size ..<`: covers what is computed and what the current step computes.
    var blockTable: [Int32] = []
    private var speller: TextSpeller

    init(choice: Int, prompt: [TokenID], speller: TextSpeller) {
        self.choice = choice
        promptCount = prompt.count
        tokens = prompt
        self.speller = speller
    }

    var pendingCount: Int { tokens.count - computedCount }
    var generatedCount: Int { tokens.count - promptCount }

    mutating func markComputed(upTo count: Int) {
        precondition(computedCount <= count && count <= tokens.count)
        computedCount = count
    }

    /// Begins with blocks that hold its first tokens.
    ///
    /// - Parameter limit: tokens that may count as computed.
    mutating func begin(with prefix: [Int32], blockSize: Int, limit: Int) {
        precondition(blockTable.isEmpty && computedCount == 0)
        blockTable = prefix
        cachedCount = prefix.count * blockSize
        computedCount = min(cachedCount, limit)
    }

    /// Takes the place of the sequence that it is a copy of.
    mutating func succeed(_ parent: TokenSequence) {
        blockTable = parent.blockTable
        computedCount = parent.computedCount
    }

    /// All of it is to be computed anew.
    mutating func loseBlocks() {
        blockTable = []
        computedCount = 0
        cachedCount = 0
    }
}

/// What one token did to a sequence.
struct Growth {
    var token: GeneratedToken
    var text: [UInt8]
    /// Nil while the sequence goes on.
    var reason: FinishReason?
}

extension TokenSequence {
    /// Appends a token and decides whether it is the last.
    ///
    /// - Parameter isLate: the request's time is over, so that nothing follows.
    mutating func append(
        _ token: TokenID, _ request: GenerationRequest, isLate: Bool, logprobs: TokenLogprobs? = nil
    ) -> Growth {
        let offset = speller.scalarCount
        tokens.append(token)
        var growth = Growth(token: GeneratedToken(id: token, textOffset: offset, logprobs: logprobs), text: [])
        let end = request.stop.reason(for: token)
        if end == nil || request.stop.keepsStop {
            // As vLLM: of the first `min_tokens` none completes a stop string.
            let (text, stop) = speller.append(token, heedsStops: generatedCount > request.processing.minTokens)
            growth.text = text
            growth.reason = stop.map(FinishReason.stopString)
        }
        guard growth.reason == nil,
            let reason = end ?? (generatedCount >= request.stop.maxTokens ? .length : isLate ? .maxTime : nil)
        else { return growth }
        let (rest, stop) = speller.finish()
        growth.text += rest
        growth.reason = stop.map(FinishReason.stopString) ?? reason
        return growth
    }

    /// Hands out what was held back, where the sequence ends without a token.
    mutating func finish() -> [UInt8] { speller.finish().text }

    /// Whether a token would complete a stop string.
    func completesStop(_ token: TokenID, _ request: GenerationRequest) -> Bool {
        guard !request.stop.strings.isEmpty else { return false }
        var fork = self
        if case .stopString = fork.append(token, request, isLate: false).reason { return true }
        return false
    }
}

extension StopConditions {
    /// The end that a token is by itself. An EOS id is one even where the request names it, too.
    fileprivate func reason(for token: TokenID) -> FinishReason? {
        if endOfSequence.contains(token) { return .endOfSequence(token) }
        return stopTokens.contains(token) ? .stopToken(token) : nil
    }
}
