import Glibc
package import InferenceTypes

// Source of every filter's meaning: transformers 5.23, `generation/logits_process.py`.

extension Candidates {
    /// Takes in a row and runs every warper over it; false where nothing in it can be drawn.
    ///
    /// - Requires: `parameters` are not greedy. `minimumCount` is what each filter leaves at least: 1, or for beams the
    ///   number of ends + 1.
    package mutating func warp(
        _ scores: ScoreRow, _ parameters: SamplingParameters, minimumCount: Int = 1
    ) -> Bool {
        guard let maximum = scores.maximum else { return false }
        warp(scores, maximum: maximum, parameters, minimumCount: minimumCount)
        return true
    }

    /// In the order of transformers: temperature, top-h, top-k, top-p, min-p, typical, epsilon, eta.
    ///
    /// - Requires: `maximum` is the row's.
    mutating func warp(
        _ scores: ScoreRow, maximum: Float, _ parameters: SamplingParameters, minimumCount: Int
    ) {
        let firstCount = parameters.topH == nil ? parameters.topK.map { max($0, minimumCount) } : Self.topHCount
        let least = firstCount.map { highest.threshold(scores, rank: $0) } ?? -.infinity
        entries.load(scores, maximum: maximum, temperature: parameters.temperature, least: least)
        if let topH = parameters.topH {
            keepTopH(topH)
            if let topK = parameters.topK { keepTopK(max(topK, minimumCount)) }
        }
        if parameters.topP < 1 { keepTopP(parameters.topP, minimumCount) }
        if parameters.minP > 0 { keepMinP(parameters.minP, minimumCount) }
        if parameters.typicalP < 1 { keepTypical(parameters.typicalP, minimumCount) }
        if parameters.epsilonCutoff > 0 { keepProbable(Double(parameters.epsilonCutoff), minimumCount) }
        if parameters.etaCutoff > 0 { keepEta(Double(parameters.etaCutoff), minimumCount) }
    }
}

// MARK: - Filters

extension Candidates {
    /// Tokens whose entropy top-h looks at.
    private static let topHCount = 100

    /// Keeps the most probable tokens while their share of the entropy of the 100 most probable ones is at most `topH`;
    /// the first in any case. Ties go by id.
    private mutating func keepTopH(_ topH: Float) {
        entries.rankByScore()
        let first = cut(count: Self.topHCount)
        entries.retain { first.mask($0, $1) }
        entries.rankByScore()
        let order = (0..<count).sorted { (entries.keys[$0], $1) > (entries.keys[$1], $0) }
        let total = entries.totalWeight
        let terms = order.map { Self.surprise(Double(entries.weights[$0]) / total) }
        let limit = Double(topH) * terms.reduce(0, +)
        var keptCount = 1
        var entropy = terms[0]
        while keptCount < count, entries.weights[order[keptCount]] > 0, entropy + terms[keptCount] <= limit {
            entropy += terms[keptCount]
            keptCount += 1
        }
        let last = order[keptCount - 1]
        let cut = Cut(key: entries.keys[last], lastTie: last)
        entries.retain { cut.mask($0, $1) }
    }

    /// A token's part of the entropy: −p log p.
    private static func surprise(_ probability: Double) -> Double {
        probability > 0 ? -probability * log(probability) : 0
    }

    /// Keeps the `topK` most probable tokens and what ties with the last of them.
    private mutating func keepTopK(_ topK: Int) {
        entries.rankByScore()
        let cut = cutWithTies(count: topK)
        entries.retain { cut.mask($0, $1) }
    }

    /// Keeps the most probable tokens until their mass reaches `topP`, the crossing one included. Ties go by id.
    ///
    /// Most of a long tail goes first: n tokens that are each below 1/n of the mass to drop cannot fill that mass. (Half
    /// of that leaves room for rounding.)
    private mutating func keepTopP(_ topP: Float, _ minimumCount: Int) {
        let total = entries.totalWeight
        let target = Double(topP) * total
        let floor = Float((total - target) / Double(2 * count))
        keep(atLeast: floor, minimumCount)
        entries.rankByScore()
        keep(cut(mass: target), minimumCount)
    }

    /// Drops tokens that are less probable than `minP` × the most probable one, which weighs 1.
    private mutating func keepMinP(_ minP: Float, _ minimumCount: Int) {
        keep(atLeast: minP, minimumCount)
    }

    /// Keeps the tokens whose surprise is nearest to the expected one until their mass reaches `typicalP`, the crossing
    /// one included and what ties with it.
    private mutating func keepTypical(_ typicalP: Float, _ minimumCount: Int) {
        let total = entries.totalWeight
        entries.rankBySurprise(logNormalizer: log(total), expected: entropy(total))
        let crossing = crossing(of: Double(typicalP) * total)
        keep(Cut(key: crossing.key, lastTie: nil), minimumCount)
    }

    /// Drops tokens that are less probable than min(η, √η × exp(−entropy)).
    private mutating func keepEta(_ eta: Double, _ minimumCount: Int) {
        keepProbable(min(eta, eta.squareRoot() * exp(-entropy(entries.totalWeight))), minimumCount)
    }

    /// Drops tokens that are less probable than `cutoff` and score less than the `minimumCount`-th.
    private mutating func keepProbable(_ cutoff: Double, _ minimumCount: Int) {
        let least = Float(cutoff * entries.totalWeight)
        if minimumCount == 1, entries.highestWeight >= least { return keep(atLeast: least, 1) }
        entries.rankByScore()
        let best = cutWithTies(count: minimumCount)
        entries.retain { ($0.weights.lanes(at: $1) .>= least) .| best.mask($0, $1) }
    }

    /// Keeps what is above a cut, and the `minimumCount` highest keys. The highest is above every cut.
    private mutating func keep(_ cut: Cut, _ minimumCount: Int) {
        guard minimumCount > 1 else { return entries.retain { cut.mask($0, $1) } }
        let best = self.cut(count: minimumCount)
        entries.retain { cut.mask($0, $1) .| best.mask($0, $1) }
    }

    /// Keeps what weighs at least `least` and the `minimumCount` most probable tokens; ties go by id.
    ///
    /// - Requires: the most probable one weighs at least `least`.
    private mutating func keep(atLeast least: Float, _ minimumCount: Int) {
        guard minimumCount > 1 else { return entries.retain { $0.weights.lanes(at: $1) .>= least } }
        entries.rankByScore()
        let best = cut(count: minimumCount)
        entries.retain { ($0.weights.lanes(at: $1) .>= least) .| best.mask($0, $1) }
    }

    /// −Σ p log p over what is left.
    private func entropy(_ total: Double) -> Double { log(total) - entries.weightedDistance / total }
}
