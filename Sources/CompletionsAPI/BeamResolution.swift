import Engine
import InferenceTypes

/// How many beams a call wants, by the field that said so.
///
/// - Source: api.md A.3: `num_beams`; `beam_width` is TensorRT-LLM's; `use_beam_search` is vLLM's, whose width is `best_of`
///   or else `n`.
struct BeamWidth: Sendable, Equatable {
    var count: Int
    var parameter: String

    /// Nil where no beams are wanted.
    init?(_ sent: CompletionRequest, choiceCount: Int) throws(APIError) {
        let named = try agreed("beam_width", sent.beamWidth, "num_beams", sent.beamCount)
        let name = sent.beamCount == nil ? "beam_width" : "num_beams"
        switch (sent.useBeamSearch, named) {
        case (nil, nil), (nil, 1), (false, nil), (false, 1): return nil
        case (false, let count?):
            throw .invalid(
                "'use_beam_search' must not be false beside \(name) (\(count)).", parameter: "use_beam_search")
        case (_, let count?): self.init(count: count, parameter: name)
        case (true, nil):
            self.init(
                count: sent.bestOf ?? choiceCount,
                parameter: sent.bestOf != nil ? "best_of" : sent.count == nil ? "num_return_sequences" : "n")
        }
        // 1 is what leaving it out means.
        if let bestOf = sent.bestOf, bestOf != count, bestOf != 1 {
            throw .invalid("'best_of' must be \(name) (\(count)) with beams, got \(bestOf).", parameter: "best_of")
        }
    }

    private init(count: Int, parameter: String) {
        self.count = count
        self.parameter = parameter
    }
}

extension Decoding {
    /// - Source: api.md A.3.
    static func beams(
        _ sent: CompletionRequest, _ width: BeamWidth, _ sampling: SamplingIntent, choiceCount: Int,
        model: ServedModel
    ) throws(APIError) -> DecodingMode {
        guard width.count <= model.maxBeamCount else {
            throw .invalid(
                "'\(width.parameter)' must be at most \(model.maxBeamCount) with beams, got \(width.count).",
                parameter: width.parameter)
        }
        guard choiceCount <= width.count else {
            let name = sent.count == nil ? "num_return_sequences" : "n"
            throw .invalid("\(name) must be at most num_beams (\(width.count)), got \(choiceCount)", parameter: name)
        }
        if let alpha = sent.penaltyAlpha, alpha > 0 {
            throw .invalid(
                "'penalty_alpha' must be 0 with beams, got \(alpha): contrastive search has none.",
                parameter: "penalty_alpha")
        }
        let draws = sampling.isAsked == true
        let groupCount = try groups(sent, width: width.count, draws: draws)
        try sampling.refuseIdleWarpers(of: "beams that are not sampled")
        return .beam(
            BeamParameters(
                width: width.count, returnCount: choiceCount, lengthPenalty: sent.lengthPenalty ?? 1,
                earlyStopping: sent.earlyStopping ?? .heuristic, groupCount: groupCount,
                diversityPenalty: Float(sent.diversityPenalty ?? 0)),
            sampling: draws ? sampling.parameters : nil)
    }

    /// - Source: Vijayakumar et al. 2016; transformers' group beam search draws nothing either.
    private static func groups(_ sent: CompletionRequest, width: Int, draws: Bool) throws(APIError) -> Int {
        let count = sent.beamGroupCount ?? 1
        guard width.isMultiple(of: count) else {
            throw .invalid(
                "'num_beam_groups' must divide num_beams (\(width)), got \(count).", parameter: "num_beam_groups")
        }
        guard count == 1 || !draws else {
            throw .invalid(
                "'num_beam_groups' must be 1 with sampled beams, got \(count).", parameter: "num_beam_groups")
        }
        guard count > 1 || (sent.diversityPenalty ?? 0) == 0 else {
            throw .invalid(
                "'diversity_penalty' needs num_beam_groups above 1, got \(count).", parameter: "diversity_penalty")
        }
        return count
    }

    /// Fields that only beams heed are refused without them, unless they say nothing.
    static func refuseBeamFields(_ sent: CompletionRequest) throws(APIError) {
        let idle: (name: String, got: String)? =
            if let penalty = sent.lengthPenalty, penalty != 1 {
                ("length_penalty", "\(penalty)")
            } else if let stopping = sent.earlyStopping, stopping != .heuristic {
                ("early_stopping", stopping == .never ? "\"never\"" : "true")
            } else if let count = sent.beamGroupCount, count != 1 {
                ("num_beam_groups", "\(count)")
            } else if let penalty = sent.diversityPenalty, penalty != 0 {
                ("diversity_penalty", "\(penalty)")
            } else {
                nil
            }
        if let idle {
            throw .invalid(
                "'\(idle.name)' has an effect on beams only, got \(idle.got): send num_beams above 1, too.",
                parameter: idle.name)
        }
    }
}
