package import InferenceTypes

extension Sampler {
    /// How `sample` came to `chosen`: the same steps once more, one at a time; nil where there was nothing to choose.
    package mutating func explain(
        _ logits: ScoreRow, _ parameters: SamplingParameters, _ processing: LogitsProcessing,
        _ context: DecodingContext, choice: Int, chosen: TokenID
    ) -> SamplingTrace? {
        guard logits.maximum != nil else { return nil }
        var scores = Array(logits.values)
        var left = Distribution(scores)
        let model = left.mostProbable(Distribution.shownCount)
        var stages: [SamplingTrace.Stage] = []
        var processors = LogitsProcessors()
        for stage in LogitsStage.ordered where stage.isAsked(processing) {
            scores.withUnsafeMutableBufferPointer { processors.apply(stage, processing, to: $0, context) }
            stages.append(left.pass(to: Distribution(scores), as: stage.rawValue))
        }
        var asked = SamplingParameters(seed: parameters.seed)
        for warper in Warper.allCases where warper.isAsked(parameters) {
            warper.copy(from: parameters, to: &asked)
            stages.append(left.pass(to: Distribution(scores, asked), as: warper.rawValue))
        }
        return SamplingTrace(
            choice: choice, position: context.position, model: model, stages: stages,
            candidates: left.mostProbable(Distribution.shownCount), candidateCount: left.entries.count, chosen: chosen)
    }
}

/// The filters as their fields are called. Each is switched on in its turn, after those before it.
private enum Warper: String, CaseIterable {
    case temperature = "temperature"
    case topH = "top_h"
    case topK = "top_k"
    case topP = "top_p"
    case minP = "min_p"
    case typicalP = "typical_p"
    case epsilon = "epsilon_cutoff"
    case eta = "eta_cutoff"

    /// Greedy decoding is a temperature that leaves one token.
    func isAsked(_ parameters: SamplingParameters) -> Bool {
        if parameters.isGreedy { return self == .temperature }
        var one = SamplingParameters(seed: parameters.seed)
        copy(from: parameters, to: &one)
        return one != SamplingParameters(seed: parameters.seed)
    }

    func copy(from parameters: SamplingParameters, to other: inout SamplingParameters) {
        switch self {
        case .temperature: other.temperature = parameters.temperature
        case .topH: other.topH = parameters.topH
        case .topK: other.topK = parameters.topK
        case .topP: other.topP = parameters.topP
        case .minP: other.minP = parameters.minP
        case .typicalP: other.typicalP = parameters.typicalP
        case .epsilon: other.epsilonCutoff = parameters.epsilonCutoff
        case .eta: other.etaCutoff = parameters.etaCutoff
        }
    }
}

/// What can be drawn between two stages, in order of id.
private struct Distribution {
    /// Entries of a list in a trace; the removed of one stage.
    static let shownCount = 10
    static let shownRemovedCount = 5

    var entries: [SamplingTrace.Entry] = []

    init(_ scores: [Float], _ parameters: SamplingParameters = SamplingParameters()) {
        scores.withUnsafeBufferPointer { scores in
            let scores = ScoreRow(scores)
            if parameters.isGreedy {
                guard let maximum = scores.maximum, let token = scores.index(ofMaximum: maximum) else { return }
                entries = [SamplingTrace.Entry(token: TokenID(token), probability: 1)]
            } else {
                var candidates = Candidates()
                guard candidates.warp(scores, parameters) else { return }
                entries = zip(candidates.ids, candidates.probabilities).map(SamplingTrace.Entry.init)
            }
        }
    }

    func mostProbable(_ count: Int) -> [SamplingTrace.Entry] {
        Array(entries.sorted { ($0.probability, $1.token) > ($1.probability, $0.token) }.prefix(count))
    }

    /// Becomes what a stage left of it.
    mutating func pass(to next: Distribution, as name: String) -> SamplingTrace.Stage {
        var removed = Distribution([])
        var rest = next.entries[...]
        for entry in entries {
            if rest.first?.token == entry.token { rest.removeFirst() } else { removed.entries.append(entry) }
        }
        self = next
        return SamplingTrace.Stage(
            name: name, removedCount: removed.entries.count, removed: removed.mostProbable(Self.shownRemovedCount))
    }
}
