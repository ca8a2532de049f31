import InferenceTypes
import Sampling
import Tokenization

/// Names a request inside the engine.
struct RequestID: Hashable, Sendable {
    var number: UInt64
}

/// How a group turns scores into tokens, and what it has to remember for that.
enum DecodingStrategy {
    /// Each sequence picks its next token alone, greedily or at random.
    case sampling(SamplingParameters, choices: Range<Int>)
    /// The sequences are the running beams of one search.
    case beam(BeamDecoding)
    /// The sequences are candidates for one next token, computed to be compared.
    case contrastive(ContrastiveDecoding)
}

/// One client's request while the engine has it: its sequences and the ear of the client. Never leaves the engine
/// thread.
final class SequenceGroup {
    let id: RequestID
    let request: GenerationRequest
    let sink: AsyncStream<GenerationEvent>.Continuation
    /// When it was accepted.
    ///
    /// - Units: nanoseconds of `EngineStatistics.monotonicNanoseconds()`.
    let arrival: UInt64
    /// When its time is over, nil for never.
    ///
    /// - Units: nanoseconds of `EngineStatistics.monotonicNanoseconds()`.
    let deadline: UInt64?
    /// When it has waited too long to start.
    let queueDeadline: UInt64?
    /// Ids that end a choice, ascending.
    let ends: [TokenID]
    var strategy: DecodingStrategy
    /// What is computed next. Empty once the group has ended.
    var sequences: [TokenSequence]
    /// Choices that the client has not heard the end of.
    private(set) var openChoices: [Int]
    /// Of the prompt's tokens but the first, as far as they are known.
    var promptLogprobs: [TokenLogprobs] = []
    /// Positions of the prompt whose logits or states were looked at, where the request looks at the whole prompt. They
    /// need not be looked at again when the group is computed anew.
    var seenCount = 0
    /// Tokens that were generated, kept or not.
    var generatedTokenCount = 0
    /// From its acceptance to the first step that computes some of it, as the loop's clock tells.
    private(set) var waited = Duration.zero
    /// What the scheduler knows of it.
    var record = SchedulingRecord()

    init(_ submission: Submission, tokenizer: Tokenizer, maxQueueTime: Duration? = nil) {
        let request = submission.request
        self.request = request
        id = submission.id
        sink = submission.sink
        arrival = submission.arrival
        deadline = request.stop.maxTime.map { submission.arrival &+ $0.nanoseconds }
        queueDeadline = maxQueueTime.map { submission.arrival &+ $0.nanoseconds }
        ends = request.stop.endOfSequence.union(request.stop.stopTokens).sorted()
        openChoices = Array(request.choices)
        sequences = [
            TokenSequence(
                choice: request.choices.lowerBound, prompt: request.promptTokens,
                speller: TextSpeller(request, tokenizer))
        ]
        strategy =
            switch request.mode {
            case .sampling(let parameters, let choices): .sampling(parameters, choices: choices)
            case .beam(let parameters, let sampling):
                .beam(BeamDecoding(parameters, sampling: sampling, request, ends: ends))
            case .contrastive(let topK, let penaltyAlpha):
                .contrastive(ContrastiveDecoding(topK: topK, penaltyAlpha: penaltyAlpha))
            }
    }

    /// Sequences that a step can have rows for: what counts against the limit on running sequences.
    var width: Int { request.width }
    var isFinished: Bool { openChoices.isEmpty }

    /// Tokens that a step could compute.
    var pendingCount: Int { sequences.reduce(0) { $0 + $1.pendingCount } }

    /// More is pending than the next token of each sequence: a prompt, or something to compute anew.
    var isCatchingUp: Bool { sequences.contains { $0.pendingCount > 1 } }

    /// Sequences whose next token a step computes for certain.
    var nextTokenCount: Int { isCatchingUp ? 0 : sequences.count }

    /// The first position of a sequence whose logits are wanted: the last one, or of a prompt that is looked at whole the
    /// first one that was not seen.
    func firstLogitsPosition(of sequence: TokenSequence) -> Int {
        request.looksAtWholePrompt && sequence.generatedCount == 0 ? seenCount : sequence.tokens.count - 1
    }

    func isLate(_ now: UInt64) -> Bool { deadline.map { now >= $0 } ?? false }

    /// It waits since `queueDeadline` and has not started.
    func hasWaitedTooLong(_ now: UInt64) -> Bool {
        !record.hasStarted && (queueDeadline.map { now >= $0 } ?? false)
    }

    /// It lost its blocks, and no part of it has been computed since.
    var isComputedAnew: Bool { sequences.allSatisfy { $0.blockTable.isEmpty } }

    /// A step that begins now computes some of it.
    func beginComputing(at now: UInt64) {
        guard !record.isAnnounced, now > arrival else { return }
        waited = .nanoseconds(Int64(clamping: now - arrival))
    }

    func close(_ choice: Int) {
        precondition(openChoices.contains(choice), "a choice ends once")
        openChoices.removeAll { $0 == choice }
    }
}

/// What the scheduler remembers of a group.
struct SchedulingRecord {
    /// Place in the order of arrival.
    var arrival = 0
    /// Its account's number in `AccountShares`.
    var account = 0
    /// Its turn came by waiting: nobody overtakes or displaces it any more but those whose turn came so, too.
    var isProtected = false
    /// It lost its blocks too often to lose them again: it comes before everyone.
    var isSheltered = false
    var hasStarted = false
    /// Its client has heard that it started.
    var isAnnounced = false
    /// Steps since it last computed something in which younger ones left it nothing of the budget.
    var overtakenStepCount = 0
    /// Prompt tokens that came from the prefix cache when it started.
    var cachedTokenCount = 0
    /// Generated tokens that its account was charged for.
    var chargedTokenCount = 0
    var preemptionCount = 0
    /// Times that it lost its blocks since it last generated a token.
    var fruitlessPreemptionCount = 0
}

/// Who comes first: in a step, and when blocks run out. The last one loses them.
struct Rank: Comparable {
    /// Sheltered, protected, or neither.
    var tier: Int
    /// The same for all who are protected: among them only age counts.
    var priority: Int
    var arrival: Int

    static func < (a: Rank, b: Rank) -> Bool {
        (a.tier, a.priority, a.arrival) < (b.tier, b.priority, b.arrival)
    }
}

extension SequenceGroup {
    var rank: Rank {
        Rank(
            tier: record.isSheltered ? 0 : record.isProtected ? 1 : 2,
            priority: record.isProtected ? 0 : request.scheduling.priority, arrival: record.arrival)
    }

    /// Whether it has to make room for another that is to start: only for what is more urgent by priority or by its turn.
    func yields(to other: SequenceGroup) -> Bool {
        guard !record.isProtected else { return false }
        return other.record.isProtected || other.request.scheduling.priority < request.scheduling.priority
    }
}

extension GenerationRequest {
    /// The numbers under which its choices are heard.
    package var choices: Range<Int> {
        switch mode {
        case .sampling(_, let choices): choices
        case .beam(let parameters, _): 0..<parameters.returnCount
        case .contrastive: 0..<1
        }
    }

    /// Logits, or the states behind them, are wanted for the prompt's tokens, too.
    var looksAtWholePrompt: Bool { looksAtStates || report.promptLogprobCount != nil }

    var isBeamSearch: Bool {
        if case .beam = mode { true } else { false }
    }

    var looksAtStates: Bool {
        if case .contrastive = mode { true } else { false }
    }

    /// There is nothing to compute.
    var isEmpty: Bool { stop.maxTokens == 0 && report.promptLogprobCount == nil }
}

extension Duration {
    /// Never negative, at most what fits.
    fileprivate var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        // 2^33 seconds are 272 years, and their nanoseconds fit.
        return UInt64(max(0, min(seconds, 1 << 33))) * 1_000_000_000 + UInt64(max(0, attoseconds) / 1_000_000_000)
    }
}
