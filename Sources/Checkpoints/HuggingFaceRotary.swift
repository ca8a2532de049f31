extension Checkpoint {
    /// How a `config.json` has positions encoded: by `rope_parameters` since transformers 5, before that by
    /// `rope_theta` and `rope_scaling`.
    ///
    /// - Source: transformers, `modeling_rope_utils.py`.
    static func positions(
        _ config: HyperParameters, _ family: HuggingFaceFamily, headDimension: Int
    ) throws(CheckpointError) -> PositionEncoding {
        guard family.positions == .rotary else { return .learned }
        guard headDimension.isMultiple(of: 2) else {
            throw CheckpointError(
                file: config.file, section: "configuration",
                expected: "heads of an even number of elements, since they are rotated in pairs",
                found: "\(headDimension)")
        }
        let parameters = try config.object(config.isNil("rope_parameters") ? "rope_scaling" : "rope_parameters")
        let inner = try parameters?.number("rope_theta", ifPresentIn: CheckpointLimits.rotaryBase)
        let outer = try config.number("rope_theta", ifPresentIn: CheckpointLimits.rotaryBase)
        // Llama 1 was written before the name existed.
        guard let base = inner ?? outer ?? (family.family == .llama ? 10_000 : nil) else {
            throw config.failure("rope_theta", expected: "a number in \(CheckpointLimits.rotaryBase)")
        }
        return .rotary(
            Rotary(base: base, dimension: headDimension, layout: .halfSplit, scaling: try scaling(parameters)))
    }

    private static func scaling(_ parameters: HyperParameters?) throws(CheckpointError) -> Rotary.Scaling {
        guard let parameters else { return .none }
        if let partial = try parameters.number("partial_rotary_factor", ifPresentIn: 0...1), partial != 1 {
            throw parameters.failure("partial_rotary_factor", expected: "1")
        }
        let name = parameters.contains("rope_type") ? "rope_type" : "type"
        switch try parameters.text(name).map({ String(decoding: $0, as: UTF8.self) }) {
        case "default", nil: return .none
        case "linear":
            return .linear(factor: try parameters.number("factor", in: CheckpointLimits.rotaryFactor))
        case "llama3":
            return try llama3Scaling(parameters)
        default:
            throw parameters.failure(name, expected: "'default', 'linear' or 'llama3'")
        }
    }

    private static func llama3Scaling(_ parameters: HyperParameters) throws(CheckpointError) -> Rotary.Scaling {
        let low = try parameters.number("low_freq_factor", in: CheckpointLimits.rotaryFactor)
        let high = try parameters.number("high_freq_factor", in: CheckpointLimits.rotaryFactor)
        // Their difference divides.
        guard low < high else {
            throw parameters.failure("low_freq_factor", expected: "below high_freq_factor, \(high)")
        }
        return .llama3(
            factor: try parameters.number("factor", in: CheckpointLimits.rotaryFactor), low: low, high: high,
            originalContext: try parameters.integer(
                "original_max_position_embeddings", in: CheckpointLimits.contextCount))
    }
}
