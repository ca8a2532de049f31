import InferenceTypes
import Sampling

/// Each sequence draws its next token alone, or takes the best. After the prompt one sequence becomes all choices.
extension DecodingStep {
    mutating func sample(
        _ group: SequenceGroup, _ input: DecodingInput, _ parameters: SamplingParameters, choices: Range<Int>
    ) -> GroupOutcome {
        var successors: [Successor] = []
        var events: [GenerationEvent] = []
        for (parent, logits) in input.lastLogits.enumerated() {
            let sequence = group.sequences[parent]
            let numbers = sequence.generatedCount == 0 ? choices : sequence.choice..<sequence.choice + 1
            for choice in numbers {
                var fork = sequence
                fork.choice = choice
                guard let outcome = grow(&fork, group, logits, parameters, now: input.now) else {
                    return .failed(Self.logitsFailure)
                }
                events += outcome.events
                if !outcome.isLast { successors.append(Successor(parent: parent, sequence: fork)) }
            }
        }
        return .advanced(successors, events)
    }

    /// Nil where the logits are not usable.
    private mutating func grow(
        _ sequence: inout TokenSequence, _ group: SequenceGroup, _ logits: ScoreRow,
        _ parameters: SamplingParameters, now: UInt64
    ) -> (events: [GenerationEvent], isLast: Bool)? {
        let request = group.request
        let context = group.context(of: sequence)
        switch sampler.sample(logits, parameters, request.processing, context, choice: sequence.choice) {
        case .unusable: return nil
        case .exhausted: return (group.ending(&sequence, .exhausted), true)
        case .token(let token):
            var events: [GenerationEvent] = []
            if request.report.explains,
                let trace = sampler.explain(
                    logits, parameters, request.processing, context, choice: sequence.choice, chosen: token)
            {
                events.append(.explained(.sampled(trace)))
            }
            let growth = sequence.append(
                token, request, isLate: group.isLate(now), logprobs: group.logprobs(of: token, in: logits))
            return (events + group.said(growth, by: sequence.choice), growth.reason != nil)
        }
    }
}

extension SequenceGroup {
    /// What the client hears of a token, and of the end if it was the last.
    func said(_ growth: Growth, by choice: Int) -> [GenerationEvent] {
        generatedTokenCount += 1
        let delta = GenerationEvent.delta(TextDelta(choice: choice, text: growth.text, tokens: [growth.token]))
        return growth.reason.map { [delta, finished(choice, $0)] } ?? [delta]
    }

    /// Ends a choice from outside. Where the time is over, what it held back is its client's.
    func ending(_ choice: Int, _ reason: FinishReason) -> [GenerationEvent] {
        guard reason == .maxTime, case .sampling = strategy, generatedTokenCount > 0,
            var sequence = sequences.first(where: { $0.choice == choice })
        else { return [finished(choice, reason)] }
        return ending(&sequence, reason)
    }

    /// Ends a choice without a token: what it held back, and the end.
    func ending(_ sequence: inout TokenSequence, _ reason: FinishReason) -> [GenerationEvent] {
        let rest = sequence.finish()
        let delta = TextDelta(choice: sequence.choice, text: rest, tokens: [])
        return (rest.isEmpty ? [] : [.delta(delta)]) + [finished(sequence.choice, reason)]
    }
}
