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
    /// When its time is over, nil for never.
    ///
    /// - Units: nanoseconds of `EngineStatistics.monotonicNanoseconds()`.
    let deadline: UInt64?
    /// Ids that end a choice, ascending.
    let ends: [TokenID]
    var strategy: DecodingStrategy
    /// What is computed next. Empty once the group has ended.
    var sequences: [TokenSequence]
    /// Choices that the client has not heard the end of.
    private(set) var openChoices: [Int]
    /// Of the prompt's tokens but the first, as far as they are computed.
    var promptLogprobs: [TokenLogprobs] = []
    /// Tokens that were generated, kept or not.
    var generatedTokenCount = 0

    init(_ submission: Submission, tokenizer: Tokenizer) {
        let request = submission.request
        self.request = request
        id = submission.id
        sink = submission.sink
        deadline = request.stop.maxTime.map { submission.arrival &+ $0.nanoseconds }
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

    /// The first position of a sequence whose logits are wanted.
    var firstLogitsPosition: Int { request.looksAtWholePrompt ? 0 : request.promptTokens.count - 1 }

    func isLate(_ now: UInt64) -> Bool { deadline.map { now >= $0 } ?? false }

    func close(_ choice: Int) {
        precondition(openChoices.contains(choice), "a choice ends once")
        openChoices.removeAll { $0 == choice }
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
    var looksAtWholePrompt: Bool {
        if case .contrastive = mode { return true }
        return report.promptLogprobCount != nil
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
