import InferenceTypes
import Sampling
import Tokenization
import Transformer

/// Turns logits into what each group of a step hears next: tokens are picked, spelt out, and checked for an end.
struct DecodingStep {
    /// Constant, so that nothing of the machine leaks to a client; the cause is in the log.
    static let forwardFailure = "The model could not compute this request."
    static let logitsFailure = "The model gave no usable probabilities for the next token."

    private let endOfSequence: Set<TokenID>
    private var sampler = Sampler()

    init(endOfSequence: Set<TokenID>) { self.endOfSequence = endOfSequence }

    /// One outcome for each part of the plan. Without logits every part has failed.
    mutating func decode(_ logits: Logits?, _ plan: StepPlan) -> [GroupOutcome] {
        plan.parts.map { part in
            guard let logits else { return .failed(Self.forwardFailure) }
            switch part.group.strategy {
            case .sampling: return sample(part.group, plan.rows[part.rows], logits)
            }
        }
    }

    private mutating func sample(
        _ group: SequenceGroup, _ rows: ArraySlice<StepPlan.Row>, _ logits: Logits
    ) -> GroupOutcome {
        var growths: [Growth] = []
        for row in rows {
            guard let logitsRow = row.logitsRow else { continue }
            let index = row.sequence
            let token = sampler.sample(
                logits.row(logitsRow), group.request.sampling, choice: group.sequences[index].choice,
                position: group.sequences[index].tokens.count)
            guard let token else { return .failed(Self.logitsFailure) }
            let isLast = group.sequences[index].generatedCount + 1 == group.request.maxTokens
            let (text, reason) =
                endOfSequence.contains(token)
                ? group.sequences[index].close(.endOfSequence(token))
                : group.sequences[index].spell(token, isLast: isLast)
            growths.append(Growth(sequence: index, tokens: [token], text: text, finishReason: reason))
        }
        return .grown(growths)
    }
}

extension TokenSequence {
    /// The text that a token adds and whether the choice ends with it.
    fileprivate mutating func spell(_ token: TokenID, isLast: Bool) -> (text: [UInt8], FinishReason?) {
        let (text, stop) = stopMatcher.append(detokenizer.append(token))
        if let stop { return (text, .stopString(stop)) }
        guard isLast else { return (text, nil) }
        let (rest, reason) = close(.length)
        return (text + rest, reason)
    }

    /// Hands out what was held back. An unfinished scalar becomes U+FFFD there, and even that may complete a stop
    /// string.
    fileprivate mutating func close(_ reason: FinishReason) -> (text: [UInt8], FinishReason?) {
        let (text, stop) = stopMatcher.append(detokenizer.finish())
        if let stop { return (text, .stopString(stop)) }
        return (text + stopMatcher.finish(), reason)
    }
}
