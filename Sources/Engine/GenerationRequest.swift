package import InferenceTypes

/// How a request turns scores into tokens.
package enum DecodingMode: Sendable, Equatable {
    /// Each choice draws alone, or greedily. `choices` are the numbers under which they draw and are heard: several fork
    /// after the prompt, which is computed once.
    case sampling(SamplingParameters, choices: Range<Int>)
    /// Beam search; with parameters to sample by, candidates are drawn instead of taken from the top.
    case beam(BeamParameters, sampling: SamplingParameters?)
    /// Contrastive search (Su et al. 2022): of the `topK` most probable tokens, the one with the highest
    /// (1 − α) × probability − α × likeness to what is there.
    case contrastive(topK: Int, penaltyAlpha: Float)
}

/// What ends a choice, besides the context.
package struct StopConditions: Sendable, Equatable {
    /// Tokens to generate at most. 0 is allowed: only the prompt is computed, if that.
    package var maxTokens: Int
    /// EOS ids that count; empty where they are to be ignored.
    package var endOfSequence: Set<TokenID>
    /// Further ids that end a choice.
    package var stopTokens: Set<TokenID>
    /// Byte strings that end a choice when generated; none is empty, each is well-formed UTF-8.
    package var strings: [[UInt8]]
    /// Whether the stop string, or a stop token's text, stays in the text.
    package var keepsStop: Bool
    /// From the request's arrival; nil is unlimited.
    package var maxTime: Duration?

    package init(
        maxTokens: Int, endOfSequence: Set<TokenID> = [], stopTokens: Set<TokenID> = [], strings: [[UInt8]] = [],
        keepsStop: Bool = false, maxTime: Duration? = nil
    ) {
        self.maxTokens = maxTokens
        self.endOfSequence = endOfSequence
        self.stopTokens = stopTokens
        self.strings = strings
        self.keepsStop = keepsStop
        self.maxTime = maxTime
    }
}

/// What a client wants to hear besides the text.
package struct GenerationReport: Sendable, Equatable {
    /// Logprobs of generated tokens, with so many of the most probable ones; nil for none.
    package var logprobCount: Int?
    /// The same for the prompt's tokens but the first.
    package var promptLogprobCount: Int?
    /// Special tokens show in the text.
    package var showsSpecialTokens: Bool
    /// Each step tells its candidates and what each filter removed.
    package var explains: Bool

    package init(
        logprobCount: Int? = nil, promptLogprobCount: Int? = nil, showsSpecialTokens: Bool = false,
        explains: Bool = false
    ) {
        self.logprobCount = logprobCount
        self.promptLogprobCount = promptLogprobCount
        self.showsSpecialTokens = showsSpecialTokens
        self.explains = explains
    }
}

/// When a request is served beside others, and what it may share with them. None of it changes what is answered.
package struct Scheduling: Sendable, Equatable {
    /// Lower is served first; any number is a priority.
    package var priority: Int
    /// On whose account it is served: accounts of one priority share the engine by tokens. Nil is one account for all who
    /// gave no name.
    package var account: [UInt8]?
    package var prefixCaching: PrefixCaching

    /// With whom a request shares computed prefixes.
    package enum PrefixCaching: Sendable, Equatable {
        /// With requests of the same salt. Others cannot find out by the time to their first token what it asked.
        case shared(salt: [UInt8])
        /// With none: nothing computed before is used, nothing is kept for later.
        case isolated
    }

    package init(
        priority: Int = 0, account: [UInt8]? = nil, prefixCaching: PrefixCaching = .shared(salt: [])
    ) {
        self.priority = priority
        self.account = account
        self.prefixCaching = prefixCaching
    }
}

/// One validated request for one continued prompt: nothing optional, everything in range for the served model.
package struct GenerationRequest: Sendable, Equatable {
    /// At least one id, each inside the vocabulary.
    package var promptTokens: [TokenID]
    package var mode: DecodingMode
    package var processing: LogitsProcessing
    /// Prompt and `maxTokens` together fit the context.
    package var stop: StopConditions
    package var report: GenerationReport
    package var scheduling: Scheduling

    package init(
        promptTokens: [TokenID], mode: DecodingMode, stop: StopConditions,
        processing: LogitsProcessing = LogitsProcessing(), report: GenerationReport = GenerationReport(),
        scheduling: Scheduling = Scheduling()
    ) {
        self.promptTokens = promptTokens
        self.mode = mode
        self.stop = stop
        self.processing = processing
        self.report = report
        self.scheduling = scheduling
    }

    /// Sequences that run together at most.
    package var width: Int {
        switch mode {
        case .sampling(_, let choices): choices.count
        case .beam(let parameters, _): parameters.width
        case .contrastive(let topK, _): topK
        }
    }

    /// Tokens whose K and V each of its sequences may have. The last one is never computed, unless to be compared.
    private var slotCount: Int {
        if case .contrastive = mode { return promptTokens.count + stop.maxTokens }
        return promptTokens.count + max(stop.maxTokens, 1) - 1
    }

    /// Blocks that the request holds when it has grown as far as it may. Sequences that run together share the full
    /// blocks of their prompt.
    package func worstCaseBlockCount(blockSize: Int) -> Int {
        sharedBlockCount(blockSize: blockSize) + width * ownBlockCount(blockSize: blockSize)
    }

    /// The full blocks of the prompt.
    func sharedBlockCount(blockSize: Int) -> Int { promptTokens.count / blockSize }

    /// Blocks that each of the sequences may have for itself.
    func ownBlockCount(blockSize: Int) -> Int {
        (slotCount + blockSize - 1) / blockSize - sharedBlockCount(blockSize: blockSize)
    }
}
