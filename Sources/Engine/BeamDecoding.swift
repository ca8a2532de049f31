import InferenceTypes
import Sampling

/// One beam search in the engine: its sequences are the running beams, and what all hypotheses that can still win agree
/// on is said at once and never taken back.
///
/// - Source: api.md D.4 and D.7.
struct BeamDecoding {
    /// What a beam has generated.
    private struct Hypothesis {
        /// As far as it may be said: no half scalar, no head of a stop string.
        var text: [UInt8] = []
        var tokens: [GeneratedToken] = []
        var reason: FinishReason?

        mutating func take(_ growth: Growth) {
            text += growth.text
            tokens.append(growth.token)
            reason = growth.reason
        }

        /// All of it at once, for a choice of which nothing was said.
        func delta(_ choice: Int) -> GenerationEvent {
            .delta(TextDelta(choice: choice, text: text, tokens: tokens))
        }
    }

    private var search: BeamSearch
    /// One for each sequence of the group.
    private var running = [Hypothesis()]
    /// By their ids in the search's ranking.
    private var finished: [Int: Hypothesis] = [:]
    /// What the client has of the first choice.
    private var sentByteCount = 0
    private var sentTokenCount = 0

    init(
        _ parameters: BeamParameters, sampling: SamplingParameters?, _ request: GenerationRequest, ends: [TokenID]
    ) {
        search = BeamSearch(
            parameters, sampling: sampling, processing: request.processing, promptCount: request.promptTokens.count,
            maxTokens: request.stop.maxTokens, ends: ends)
    }

    mutating func advance(
        _ group: SequenceGroup, _ input: DecodingInput, _ scratch: inout BeamScratch
    ) -> GroupOutcome {
        let logits = input.lastLogits
        let isLate = group.isLate(input.now)
        let inputs = zip(logits, group.sequences).map { BeamSearch.Input(logits: $0, tokens: $1.tokens) }
        let step = search.advance(inputs, scratch: &scratch) { parent, token in
            isLate || group.sequences[parent].completesStop(token, group.request)
        }
        guard let step else { return .failed(DecodingStep.logitsFailure) }
        let parents = running
        let successors = take(step, group, logits, isLate: isLate)
        var events: [GenerationEvent] = []
        if group.request.report.explains { events.append(.explained(.beams(search.trace))) }
        guard search.isOver else { return .advanced(successors, events + agreement()) }
        return .advanced([], events + (search.ranking.isEmpty ? deadEnd(group, parents) : ending(group)))
    }

    /// Grows the hypotheses as the search decided.
    private mutating func take(
        _ step: BeamStep, _ group: SequenceGroup, _ logits: [ScoreRow], isLate: Bool
    ) -> [Successor] {
        let parents = running
        func grow(_ parent: Int, _ token: TokenID, isLate: Bool) -> (sequence: TokenSequence, hypothesis: Hypothesis) {
            var sequence = group.sequences[parent]
            var hypothesis = parents[parent]
            hypothesis.take(
                sequence.append(
                    token, group.request, isLate: isLate, logprobs: group.logprobs(of: token, in: logits[parent])))
            return (sequence, hypothesis)
        }
        for end in step.finished { finished[end.id] = grow(end.parent, end.token, isLate: isLate).hypothesis }
        let kept = Set(search.ranking.map(\.id))
        finished = finished.filter { kept.contains($0.key) }
        group.generatedTokenCount += step.finished.count + step.successors.count
        let grown = step.successors.map { (parent: $0.parent, grow($0.parent, $0.token, isLate: false)) }
        running = grown.map(\.1.hypothesis)
        return grown.map { Successor(parent: $0.parent, sequence: $0.1.sequence) }
    }
}

// MARK: - What is said

extension BeamDecoding {
    /// What the hypotheses that can still be the first choice agree on, beyond what was said.
    private mutating func agreement() -> [GenerationEvent] {
        var rivals = search.contenders.map { running[$0] }
        if let leader = search.ranking.first.flatMap({ finished[$0.id] }) { rivals.append(leader) }
        guard var common = rivals.popLast() else { return [] }
        for rival in rivals {
            common.text.cutToCommonPrefix(with: rival.text, from: sentByteCount)
            common.tokens.cutToCommonPrefix(with: rival.tokens, from: sentTokenCount) { $0.id == $1.id }
        }
        return [delta(to: common)].compactMap { $0 }
    }

    /// The rest of every choice, best first, and their ends.
    private mutating func ending(_ group: SequenceGroup) -> [GenerationEvent] {
        var events: [GenerationEvent] = []
        for choice in group.openChoices {
            guard choice < search.ranking.count, let hypothesis = finished[search.ranking[choice].id] else {
                // The request's own rules left fewer hypotheses than it asked for.
                events.append(group.finished(choice, .exhausted))
                continue
            }
            events += [choice == 0 ? delta(to: hypothesis) : hypothesis.delta(choice)].compactMap { $0 }
            events.append(
                group.finished(
                    choice, hypothesis.reason ?? .length, beamScore: search.ranking[choice].score))
        }
        return events
    }

    /// Nothing may follow any beam, and none was finished: what ran last is the answer.
    private mutating func deadEnd(_ group: SequenceGroup, _ hypotheses: [Hypothesis]) -> [GenerationEvent] {
        var events: [GenerationEvent] = []
        for choice in group.openChoices {
            if choice < hypotheses.count {
                var hypothesis = hypotheses[choice]
                hypothesis.text += group.sequences[choice].finish()
                events += [choice == 0 ? delta(to: hypothesis) : hypothesis.delta(choice)].compactMap { $0 }
            }
            events.append(group.finished(choice, .exhausted))
        }
        return events
    }

    /// The first choice's text and tokens beyond what was said; nil where there is nothing more.
    private mutating func delta(to hypothesis: Hypothesis) -> GenerationEvent? {
        let text = Array(hypothesis.text.dropFirst(sentByteCount))
        let tokens = Array(hypothesis.tokens.dropFirst(sentTokenCount))
        guard !text.isEmpty || !tokens.isEmpty else { return nil }
        sentByteCount += text.count
        sentTokenCount += tokens.count
        return .delta(TextDelta(choice: 0, text: text, tokens: tokens))
    }
}

extension [UInt8] {
    /// Whole scalars only.
    ///
    /// - Requires: the first `start` bytes are equal, both texts are well-formed.
    fileprivate mutating func cutToCommonPrefix(with other: [UInt8], from start: Int) {
        let longer = count >= other.count ? self : other
        cutToCommonPrefix(with: other, from: start, by: ==)
        var end = count
        while end > start, end < longer.count, longer[end] & 0xC0 == 0x80 { end -= 1 }
        removeSubrange(end...)
    }
}

extension Array {
    fileprivate mutating func cutToCommonPrefix(
        with other: [Element], from start: Int, by areEqual: (Element, Element) -> Bool
    ) {
        var end = start
        while end < count, end < other.count, areEqual(self[end], other[end]) { end += 1 }
        removeSubrange(end...)
    }
}
