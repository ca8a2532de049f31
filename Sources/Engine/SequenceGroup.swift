import InferenceTypes
import Tokenization

/// Names a request inside the engine.
struct RequestID: Hashable, Sendable {
    var number: UInt64
}

/// How a group turns logits into tokens. Beam search becomes a second case with its state.
enum DecodingStrategy {
    /// Each sequence picks its next token alone, greedily or at random.
    case sampling
}

/// One client's request while the engine has it: its sequences and the ear of the client. Never leaves the engine
/// thread.
final class SequenceGroup {
    let id: RequestID
    let request: GenerationRequest
    let strategy: DecodingStrategy
    var sequences: [TokenSequence]
    let sink: AsyncStream<GenerationEvent>.Continuation

    init(_ submission: Submission, tokenizer: Tokenizer) {
        id = submission.id
        request = submission.request
        sink = submission.sink
        strategy = .sampling
        sequences = [
            TokenSequence(
                choice: 0, prompt: request.promptTokens,
                detokenizer: StreamingDetokenizer(tokenizer, after: request.promptTokens),
                stopMatcher: StopMatcher(request.stopStrings))
        ]
    }

    /// Sequences that a step can have rows for: what counts against the limit on running sequences.
    var width: Int { sequences.count }
    var isFinished: Bool { sequences.allSatisfy(\.isFinished) }

    /// Tokens that a step could compute.
    var pendingCount: Int { sequences.reduce(0) { $0 + ($1.isFinished ? 0 : $1.pendingCount) } }

    /// More is pending than the next token of each sequence: a prompt, or something to compute anew.
    var isCatchingUp: Bool { sequences.contains { !$0.isFinished && $0.pendingCount > 1 } }

    /// Blocks that the group holds when it has grown as far as it may. The last token is never computed.
    func worstCaseBlockCount(blockSize: Int) -> Int {
        let slotCount = request.promptTokens.count + max(request.maxTokens, 1) - 1
        return width * ((slotCount + blockSize - 1) / blockSize)
    }
}
