package import InferenceTypes

/// Beam search for one prompt: which beams run on, which hypotheses are finished, when it is over. Also beam-sample
/// (candidates are drawn instead of taken from the top) and diverse beam search (groups that avoid each other's tokens).
///
/// A beam that nothing may follow is dropped, where the reference carries it on with a score of −1e9; so there may be
/// fewer running beams than the width, and fewer hypotheses. Equal scores rank by the beam's index, then by token; among
/// finished hypotheses the older comes first. When nothing may follow any beam the search is over, and its ranking is
/// empty where nothing was finished by then: in no other case.
///
/// - Source: transformers 5.23, `_beam_search`; A. Vijayakumar et al., "Diverse Beam Search" (2016), as transformers
///   4.49's `_group_beam_search` has it.
package struct BeamSearch {
    /// A running beam and the logits of the token that follows it.
    package struct Input {
        package var logits: ScoreRow
        /// Prompt and generated tokens.
        package var tokens: [TokenID]

        package init(logits: ScoreRow, tokens: [TokenID]) {
            self.logits = logits
            self.tokens = tokens
        }
    }

    private let rules: BeamRules
    private var groups: [BeamGroup]
    private var generatedCount = 0
    private var nextID = 0
    /// The last step's candidates and what became of them; nothing before the first step.
    package private(set) var trace: BeamTrace

    /// - Parameter sampling: to draw by; nil, or greedy ones, take the best.
    /// - Parameter ends: every id that ends a hypothesis, each once.
    /// - Requires: the group count divides the width.
    package init(
        _ parameters: BeamParameters, sampling: SamplingParameters?, processing: LogitsProcessing, promptCount: Int,
        maxTokens: Int, ends: [TokenID]
    ) {
        let (groupWidth, rest) = parameters.width.quotientAndRemainder(dividingBy: max(parameters.groupCount, 1))
        precondition(groupWidth > 0 && rest == 0, "groups of equal width, none empty")
        let drawn = sampling.flatMap { $0.isGreedy ? nil : $0 }
        rules = BeamRules(
            parameters: parameters, processing: processing, sampling: drawn, promptCount: promptCount,
            maxTokens: maxTokens, ends: ends, endSet: Set(ends), groupWidth: groupWidth,
            changesRows: drawn != nil || !processing.isIdentity)
        groups = Array(repeating: BeamGroup(), count: max(parameters.groupCount, 1))
        trace = BeamTrace(position: promptCount, candidates: [])
        if maxTokens <= 0 { for index in groups.indices { groups[index].end() } }
    }

    /// No further step: no beam runs, or none is to become better than what is finished.
    package var isOver: Bool { groups.allSatisfy(\.isOver) }

    /// Beams that the next call of `advance` wants.
    package var runningCount: Int { generatedCount == 0 ? 1 : groups.reduce(0) { $0 + $1.running.count } }

    /// The finished hypotheses of all groups, best first, the older first on a tie.
    package var ranking: [RankedHypothesis] {
        groups.flatMap(\.done).sorted { ($0.score, $1.id) > ($1.score, $0.id) }
    }

    /// Takes a step.
    ///
    /// Each group ranks its candidates, then the next group does so, with its rows changed by what earlier groups
    /// picked. Draw `d` of group `g` at `position` under seed `s` takes its number from the Philox block of key `s` and
    /// counter (`position`, `d`, `g` + 1), which nothing else uses.
    ///
    /// - Parameter inputs: the running beams, in the order of the last step's successors; at first the prompt alone.
    /// - Parameter endsEarly: whether a candidate ends by a stop string or because the time is over. Asked at most once
    ///   for a candidate, in their order, and only where the answer matters and neither an end nor the length decides.
    /// - Returns: nil where a row cannot be decoded (NaN, +∞, nothing finite); the search is useless then.
    /// - Requires: not over.
    package mutating func advance(
        _ inputs: [Input], scratch: inout BeamScratch, endsEarly: (_ parent: Int, _ token: TokenID) -> Bool
    ) -> BeamStep? {
        precondition(!isOver && inputs.count == runningCount, "one input for each running beam")
        let isFirst = generatedCount == 0
        var (step, picked, next) = (BeamStep(), [TokenID](), 0)
        trace.position = rules.promptCount + generatedCount
        trace.candidates.removeAll(keepingCapacity: true)
        generatedCount += 1
        for index in groups.indices where !groups[index].isOver {
            let rows = isFirst ? 0..<1 : next..<next + groups[index].running.count
            next = rows.upperBound
            guard findCandidates(inputs, rows, group: index, picked: picked, &scratch) else { return nil }
            settle(scratch.candidates, group: index, &step, &picked, endsEarly)
        }
        return step
    }

    private func findCandidates(
        _ inputs: [Input], _ rows: Range<Int>, group: Int, picked: [TokenID], _ scratch: inout BeamScratch
    ) -> Bool {
        let running = groups[group].running
        guard let sampling = rules.sampling else {
            return scratch.rank(inputs, rows, running: running, rules, picked: picked)
        }
        let position = trace.position
        return scratch.draw(inputs, rows, running: running, rules, picked: picked, sampling) { draw in
            CounterRandom.uniform(seed: sampling.seed, position: position, draw: draw, lane: group + 1)
        }
    }
}

// MARK: - What becomes of candidates

extension BeamSearch {
    /// Finishes, runs on with, or drops each of a group's candidates.
    private mutating func settle(
        _ candidates: [BeamCandidate], group: Int, _ step: inout BeamStep, _ picked: inout [TokenID],
        _ endsEarly: (Int, TokenID) -> Bool
    ) {
        let firstTrace = trace.candidates.count
        for candidate in candidates {
            trace.candidates.append(
                BeamTrace.Candidate(
                    parent: Int(candidate.row), token: candidate.token, score: candidate.score, fate: .dropped))
        }
        let outcome = judge(candidates, endsEarly)
        finish(outcome.finished, candidates, group: group, firstTrace, &step)
        let scores = outcome.survivors.map { candidates[$0].score }
        groups[group].proceed(with: scores, length: generatedCount, rules)
        picked.append(contentsOf: outcome.picked)
        guard !groups[group].isOver else { return }
        for rank in outcome.survivors {
            let candidate = candidates[rank]
            trace.candidates[firstTrace + rank].fate = .continues(step.successors.count)
            step.successors.append(
                BeamStep.Successor(parent: Int(candidate.row), token: candidate.token, score: candidate.score))
        }
    }

    /// Ranks of candidates.
    private struct Outcome {
        var finished: [(rank: Int, reason: BeamStep.Reason)] = []
        /// Best first, at most the group's width.
        var survivors: [Int] = []
        /// Tokens that later groups are to avoid: the survivors', in the last step what would have survived.
        var picked: [TokenID] = []
    }

    /// Only the first `groupWidth` candidates may finish; an end further down is thrown away.
    private func judge(_ candidates: [BeamCandidate], _ endsEarly: (Int, TokenID) -> Bool) -> Outcome {
        var outcome = Outcome()
        for (rank, candidate) in candidates.enumerated() {
            let isTop = rank < rules.groupWidth
            // Ranked candidates come best first: no later one runs on.
            if !isTop, rules.sampling == nil, outcome.survivors.count == rules.groupWidth { break }
            let reason = reason(candidate, endsEarly)
            if let reason, isTop { outcome.finished.append((rank, reason)) }
            if reason == nil { outcome.survivors.append(rank) }
            if reason == .length { outcome.picked.append(candidate.token) }
        }
        if rules.sampling != nil {
            outcome.survivors.sort { BeamCandidate.precedes(candidates[$0], candidates[$1]) }
        }
        outcome.survivors = Array(outcome.survivors.prefix(rules.groupWidth))
        outcome.picked += outcome.survivors.map { candidates[$0].token }
        outcome.picked = Array(outcome.picked.prefix(rules.groupWidth))
        return outcome
    }

    private func reason(_ candidate: BeamCandidate, _ endsEarly: (Int, TokenID) -> Bool) -> BeamStep.Reason? {
        if rules.endSet.contains(candidate.token) { return .end }
        if generatedCount >= rules.maxTokens { return .length }
        return endsEarly(Int(candidate.row), candidate.token) ? .early : nil
    }

    private mutating func finish(
        _ finished: [(rank: Int, reason: BeamStep.Reason)], _ candidates: [BeamCandidate], group: Int,
        _ firstTrace: Int, _ step: inout BeamStep
    ) {
        let firstID = nextID
        for (rank, _) in finished {
            let score = rules.normalised(candidates[rank].score, length: generatedCount)
            groups[group].finish(RankedHypothesis(id: nextID, score: score), rules)
            nextID += 1
        }
        for (offset, (rank, reason)) in finished.enumerated() {
            guard let kept = groups[group].done.first(where: { $0.id == firstID + offset }) else { continue }
            let candidate = candidates[rank]
            trace.candidates[firstTrace + rank].fate = .finishes(kept.score)
            step.finished.append(
                BeamStep.Finished(
                    id: kept.id, parent: Int(candidate.row), token: candidate.token, score: kept.score,
                    reason: reason))
        }
    }
}

// MARK: - Streaming

extension BeamSearch {
    /// Of the last step's successors, those from which the first of the final ranking may still come; the leader of the
    /// ranking is the other possibility. Empty when over.
    ///
    /// Where no token adds to a sum, a beam is out once its sum, at the length that flatters it most, does not exceed
    /// the leader: an equal one would come after it.
    package var contenders: [Int] {
        guard !isOver else { return [] }
        let running = groups.flatMap(\.running)
        guard let leader = ranking.first, !rules.mayRaise else { return Array(running.indices) }
        return running.indices.filter { bound(running[$0]) > leader.score }
    }

    /// What no descendant exceeds. A sum of numbers below 0 is divided by the largest divisor ahead, that of the longest
    /// text or of the next token. The margin is far above what rounding or `pow` can err.
    private func bound(_ running: Float) -> Float {
        guard running <= 0 else { return .infinity }
        let length = rules.parameters.lengthPenalty > 0 ? rules.maxTokens : generatedCount + 1
        return (rules.normalised(running, length: length) * (1 - 1e-5)).nextUp
    }
}
