import Glibc
import InferenceTypes
import Sampling
import Transformer

/// One contrastive search in the engine: its sequences are candidates for one next token, computed so that their states
/// can be compared with what is there. The winner's text is said; the others give their blocks back in the same step.
///
/// - Source: Su et al., "A Contrastive Framework for Neural Text Generation" (2022).
struct ContrastiveDecoding {
    private let topK: Int
    private let penaltyAlpha: Float
    /// Knows the states of what is there: the prompt's tokens and the winners. Nil before the first.
    private var ranking: ContrastiveRanking?
    /// One for each sequence of the group; empty until the prompt is computed.
    private var candidates: [Candidate] = []

    private struct Candidate {
        var entry: TokenLogprobs.Entry
        var growth: Growth

        var probability: Float { expf(entry.logprob) }
    }

    init(topK: Int, penaltyAlpha: Float) {
        self.topK = topK
        self.penaltyAlpha = penaltyAlpha
    }

    /// Takes in the states of the prompt's tokens while they are computed.
    mutating func see(_ input: DecodingInput, of group: SequenceGroup) {
        guard candidates.isEmpty, input.logits.stateSize > 0 else { return }
        var ranking = ranking ?? ContrastiveRanking(hiddenSize: input.logits.stateSize)
        ranking.append(input.logits.states(of: input.logitsRows))
        self.ranking = ranking
        group.seenCount = max(group.seenCount, input.rows.last?.range.upperBound ?? 0)
    }

    mutating func advance(
        _ group: SequenceGroup, _ input: DecodingInput, _ processors: inout LogitsProcessors
    ) -> GroupOutcome {
        guard let winner = candidates.isEmpty ? 0 : choose(input) else {
            return .failed(DecodingStep.logitsFailure)
        }
        let (events, isOver) = candidates.isEmpty ? ([], false) : announce(winner, group)
        guard !isOver else { return .advanced([], events) }
        let logits = input.lastLogits[winner]
        var sequence = group.sequences[winner]
        guard let top = mostProbable(logits, group, sequence, &processors) else {
            return .failed(DecodingStep.logitsFailure)
        }
        guard !top.isEmpty else { return .advanced([], events + group.ending(&sequence, .exhausted)) }

        candidates = []
        let isLate = group.isLate(input.now)
        let successors = top.map { entry in
            var fork = sequence
            let growth = fork.append(
                entry.token, group.request, isLate: isLate, logprobs: group.logprobs(of: entry.token, in: logits))
            candidates.append(Candidate(entry: entry, growth: growth))
            return Successor(parent: winner, sequence: fork)
        }
        group.generatedTokenCount += successors.count
        return .advanced(successors, events)
    }

    /// The candidates after a sequence, best first; nil where the logits are not usable.
    private func mostProbable(
        _ logits: ScoreRow, _ group: SequenceGroup, _ sequence: TokenSequence,
        _ processors: inout LogitsProcessors
    ) -> [TokenLogprobs.Entry]? {
        guard logits.maximum != nil else { return nil }
        var scores = Array(logits.values)
        scores.withUnsafeMutableBufferPointer {
            processors.apply(group.request.processing, to: $0, group.context(of: sequence))
        }
        // Nothing is left where the request's own rules masked everything.
        let top = scores.withUnsafeBufferPointer { Logprobs.of(0, in: ScoreRow($0), topCount: topK)?.top }
        return top?.filter { $0.logprob > -.infinity } ?? []
    }

    /// Nil where a state is not usable.
    private mutating func choose(_ input: DecodingInput) -> Int? {
        let rows = input.logitsRows
        let winner = ranking?.best(
            candidates.map(\.probability), input.logits.states(of: rows), penaltyAlpha: penaltyAlpha)
        guard let winner else { return nil }
        let row = rows.lowerBound + winner
        ranking?.append(input.logits.states(of: row..<row + 1))
        return winner
    }

    private func announce(_ winner: Int, _ group: SequenceGroup) -> (events: [GenerationEvent], isOver: Bool) {
        let (entry, growth) = (candidates[winner].entry, candidates[winner].growth)
        var events: [GenerationEvent] = []
        if group.request.report.explains {
            let entries = candidates.map {
                SamplingTrace.Entry(token: $0.entry.token, probability: $0.probability)
            }
            let trace = SamplingTrace(
                choice: 0, position: group.sequences[winner].tokens.count - 1, model: entries, stages: [],
                candidates: entries, candidateCount: entries.count, chosen: entry.token)
            events.append(.explained(.sampled(trace)))
        }
        events.append(.delta(TextDelta(choice: 0, text: growth.text, tokens: [growth.token])))
        if let reason = growth.reason { events.append(group.finished(0, reason)) }
        return (events, growth.reason != nil)
    }
}
