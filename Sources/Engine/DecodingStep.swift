import InferenceTypes
import Sampling
import Transformer

/// Turns logits into what each group of a step hears next: tokens are picked, spelt out, and checked for an end.
struct DecodingStep {
    /// Constant, so that nothing of the machine leaks to a client; the cause is in the log.
    static let forwardFailure = "The model could not compute this request."
    static let logitsFailure = "The model gave no usable probabilities for the next token."

    /// Memory to reuse; no answer depends on it.
    var sampler = Sampler()
    var beamScratch = BeamScratch()
    var processors = LogitsProcessors()

    /// One outcome for each part of the plan. Without logits every part has failed.
    ///
    /// - Parameter now: nanoseconds of `EngineStatistics.monotonicNanoseconds()`.
    mutating func decode(_ logits: Logits?, _ plan: StepPlan, now: UInt64) -> [GroupOutcome] {
        plan.parts.map { part in
            guard let logits else { return .failed(Self.forwardFailure) }
            return decode(part.group, DecodingInput(rows: plan.rows[part.rows], logits: logits, now: now))
        }
    }

    private mutating func decode(_ group: SequenceGroup, _ input: DecodingInput) -> GroupOutcome {
        guard scorePrompt(of: group, input) else { return .failed(Self.logitsFailure) }
        if case .contrastive(var search) = group.strategy {
            search.see(input, of: group)
            group.strategy = .contrastive(search)
        }
        guard input.isComplete(for: group) else { return .pending }
        let opening = promptEvents(of: group)
        guard group.request.stop.maxTokens > 0 else {
            return .advanced([], opening + group.openChoices.map { group.finished($0, .length) })
        }
        let outcome = advance(group, input)
        guard case .advanced(let successors, let events) = outcome else { return outcome }
        return .advanced(successors, opening + events)
    }

    private mutating func advance(_ group: SequenceGroup, _ input: DecodingInput) -> GroupOutcome {
        switch group.strategy {
        case .sampling(let parameters, let choices):
            return sample(group, input, parameters, choices: choices)
        case .beam(var beams):
            defer { group.strategy = .beam(beams) }
            return beams.advance(group, input, &beamScratch)
        case .contrastive(var search):
            defer { group.strategy = .contrastive(search) }
            return search.advance(group, input, &processors)
        }
    }
}

/// What a step computed for one group.
struct DecodingInput {
    let rows: ArraySlice<StepPlan.Row>
    let logits: Logits
    let now: UInt64

    /// Nothing of the group is pending.
    func isComplete(for group: SequenceGroup) -> Bool {
        rows.count == group.sequences.count
            && rows.allSatisfy { $0.range.upperBound == group.sequences[$0.sequence].tokens.count }
    }

    /// The group's rows of logits; they lie side by side.
    var logitsRows: Range<Int> { (rows.first?.logitsRows.lowerBound ?? 0)..<(rows.last?.logitsRows.upperBound ?? 0) }

    /// The logits after each sequence, in the order of the sequences. Not for a group of which more is pending.
    var lastLogits: [ScoreRow] { rows.compactMap { $0.lastLogitsRow.map(logits.scores) } }
}

extension Logits {
    func scores(_ index: Int) -> ScoreRow { ScoreRow(row(index), peaks: peaks(index)) }
}

// MARK: - The prompt

extension DecodingStep {
    /// Notes what the model thought of the prompt's tokens; false where a row is not usable.
    private func scorePrompt(of group: SequenceGroup, _ input: DecodingInput) -> Bool {
        guard let topCount = group.request.report.promptLogprobCount, group.generatedTokenCount == 0 else {
            return true
        }
        let tokens = group.request.promptTokens
        for row in input.rows {
            var next = row.range.upperBound - row.logitsRows.count + 1
            for logitsRow in row.logitsRows where next < tokens.count {
                let logprobs = Logprobs.of(tokens[next], in: input.logits.scores(logitsRow), topCount: topCount)
                guard let logprobs else { return false }
                group.promptLogprobs.append(logprobs)
                next += 1
            }
        }
        group.seenCount = max(group.seenCount, group.promptLogprobs.count)
        return true
    }

    private func promptEvents(of group: SequenceGroup) -> [GenerationEvent] {
        guard group.request.report.promptLogprobCount != nil, group.generatedTokenCount == 0 else { return [] }
        return [.prompt(group.promptLogprobs)]
    }
}

extension SequenceGroup {
    /// The event that ends a choice.
    func finished(_ choice: Int, _ reason: FinishReason, beamScore: Float? = nil) -> GenerationEvent {
        .finished(
            FinishedChoice(
                choice: choice, reason: reason, beamScore: beamScore, generatedTokenCount: generatedTokenCount,
                cachedTokenCount: record.cachedTokenCount))
    }

    func context(of sequence: TokenSequence) -> DecodingContext {
        DecodingContext(tokens: sequence.tokens, promptCount: sequence.promptCount, ends: ends)
    }

    /// Nil where the client did not ask for them.
    func logprobs(of token: TokenID, in logits: ScoreRow) -> TokenLogprobs? {
        request.report.logprobCount.flatMap { Logprobs.of(token, in: logits, topCount: $0) }
    }
}
