import InferenceTypes

/// Memory that the steps of all beam searches share: one row of scores, the best candidates, what can be drawn. Holds
/// nothing from one step to the next.
package struct BeamScratch {
    private var row: [Float] = []
    private var heap = BeamHeap()
    private var draws = BeamDraws()
    private var warped = Candidates()
    private var processors = LogitsProcessors()
    /// What the last call of `rank` or `draw` found, best or first first.
    private(set) var candidates: [BeamCandidate] = []

    package init() {}

    /// Takes in a beam's row, ready to be ranked: as it is where nothing changes it, else through `row`.
    ///
    /// - Returns: false where the row cannot be decoded.
    mutating func withScores(
        _ input: BeamSearch.Input, _ rules: BeamRules, picked: [TokenID],
        _ body: (inout BeamScratch, ScoreRow, BeamNormaliser) -> Void
    ) -> Bool {
        guard let normaliser = BeamNormaliser(input.logits) else { return false }
        guard rules.changesRows || !picked.isEmpty else {
            body(&self, input.logits, normaliser)
            return true
        }
        // Taken out for a while, because `body` changes the rest.
        var row = row
        self.row = []
        defer { self.row = row }
        if row.count != input.logits.count { row = Array(repeating: 0, count: input.logits.count) }
        row.withUnsafeMutableBufferPointer { scores in
            normaliser.write(input.logits.values, into: scores)
            change(scores, input.tokens, rules, picked: picked)
            body(&self, ScoreRow(UnsafeBufferPointer(scores)), .identity)
        }
        return true
    }

    private mutating func change(
        _ scores: UnsafeMutableBufferPointer<Float>, _ tokens: [TokenID], _ rules: BeamRules, picked: [TokenID]
    ) {
        if !rules.processing.isIdentity {
            let context = DecodingContext(tokens: tokens, promptCount: rules.promptCount, ends: rules.ends)
            processors.apply(rules.processing, to: scores, context)
        }
        for token in picked where scores.indices.contains(Int(token)) {
            scores[Int(token)] -= rules.parameters.diversityPenalty
        }
    }
}

// MARK: - Candidates of a step

extension BeamScratch {
    /// The best candidates of a group's beams.
    ///
    /// - Returns: false where a row cannot be decoded.
    mutating func rank(
        _ inputs: [BeamSearch.Input], _ rows: Range<Int>, running: [Float], _ rules: BeamRules, picked: [TokenID]
    ) -> Bool {
        heap.reset(capacity: rules.candidateCount)
        for (row, running) in zip(rows, running) {
            let isSound = withScores(inputs[row], rules, picked: picked) { scratch, scores, normaliser in
                scratch.heap.scan(scores, normaliser, running: running, row: row)
            }
            guard isSound else { return false }
        }
        heap.drain(into: &candidates)
        return true
    }

    /// As many candidates of a group's beams, drawn.
    ///
    /// - Returns: false where a row cannot be decoded.
    mutating func draw(
        _ inputs: [BeamSearch.Input], _ rows: Range<Int>, running: [Float], _ rules: BeamRules, picked: [TokenID],
        _ sampling: SamplingParameters, uniform: (Int) -> Double
    ) -> Bool {
        draws.reset()
        for (row, running) in zip(rows, running) {
            let isSound = withScores(inputs[row], rules, picked: picked) { scratch, logprobs, _ in
                scratch.collect(logprobs, running: running, row: row, sampling, rules)
            }
            guard isSound else { return false }
        }
        draws.drain(rules.candidateCount, into: &candidates, uniform: uniform)
        return true
    }

    /// Log-probability over temperature + running score of each token that the filters leave.
    private mutating func collect(
        _ logprobs: ScoreRow, running: Float, row: Int, _ sampling: SamplingParameters,
        _ rules: BeamRules
    ) {
        // A row of which nothing is left has no candidates; the other beams may have.
        guard warped.warp(logprobs, sampling, minimumCount: rules.minimumCount) else { return }
        draws.append(warped, running: running, row: row)
    }
}
