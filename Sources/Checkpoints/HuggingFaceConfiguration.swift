import InferenceTypes

/// Members that change the arithmetic, and the one value of each that we do. Absent and null are that value too.
private let requiredFlags: [(name: String, value: Bool)] = [
    ("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false), ("add_cross_attention", false),
]

extension Checkpoint {
    /// A whole model out of a Hugging Face directory.
    init(_ directory: ModelDirectory, weights: SafetensorsFiles) throws(CheckpointError) {
        let document = try directory.json("config.json")
        guard let document, document.asObject != nil else {
            throw CheckpointError(
                file: directory.name, section: "config.json", expected: "a JSON object",
                found: document == nil ? "no such file" : "another value")
        }
        let config = HyperParameters(document, file: "config.json")
        let family = try Self.family(config)
        try Self.refuseUnsupported(config)
        let table = family.names.first { $0.name(.finalNorm).map(weights.holds) == true } ?? family.names[0]
        let ties = try config.flag("tie_word_embeddings") ?? family.tiesByDefault
        let (names, tied) = table.tying(ties ? .always : .asFound, in: weights)
        try self.init(
            configuration: try Self.configuration(config, family, name: directory.name, tied: tied), names: names,
            weights: weights, tokenizer: .files(try directory.tokenizerFiles(modelConfiguration: document)),
            format: .safetensors(fileCount: weights.fileCount), fileName: directory.name)
    }

    private static func family(_ config: HyperParameters) throws(CheckpointError) -> HuggingFaceFamily {
        let type = try config.text("model_type")
        guard let family = HuggingFaceFamily.all.first(where: { type?.elementsEqual($0.modelType.utf8) == true }) else {
            let known = HuggingFaceFamily.all.map(\.modelType).joined(separator: ", ")
            throw config.failure("model_type", expected: "one of \(known)")
        }
        if let architecture = try config.texts("architectures")?.first {
            guard architecture.elementsEqual(family.architecture.utf8) else {
                throw CheckpointError(
                    file: config.file, section: "configuration",
                    expected: "architectures to name \(family.architecture)", found: quoted(architecture))
            }
        }
        return family
    }

    private static func refuseUnsupported(_ config: HyperParameters) throws(CheckpointError) {
        if let quantization = try config.object("quantization_config") {
            throw quantization.failure(
                "quant_method", expected: "absent, since quantised safetensors are not supported; a GGUF file is")
        }
        for (name, value) in requiredFlags where try config.flag(name) ?? value != value {
            throw config.failure(name, expected: "\(value)")
        }
        guard try config.number("partial_rotary_factor", ifPresentIn: 0...1) ?? 1 == 1 else {
            throw config.failure("partial_rotary_factor", expected: "1")
        }
    }

    private static func configuration(
        _ config: HyperParameters, _ family: HuggingFaceFamily, name: String, tied: Bool
    ) throws(CheckpointError) -> ModelConfiguration {
        let hiddenSize = try config.integer(family.hiddenSize, in: CheckpointLimits.hiddenSize)
        let layerCount = try config.integer(family.layerCount, in: CheckpointLimits.layerCount)
        let heads = try HeadCounts(config, query: family.queryHeadCount, keyValue: family.keyValueHeadCount)
        let headDimension = try heads.dimension(
            config, "head_dim", hiddenSize: hiddenSize, hiddenSizeName: family.hiddenSize)
        let contextCount = try config.integer(family.contextCount, in: CheckpointLimits.contextCount)
        let activation = try Self.activation(config, family.activation)
        return ModelConfiguration(
            family: family.family, name: name, hiddenSize: hiddenSize, layerCount: layerCount,
            queryHeadCount: heads.query, keyValueHeadCount: heads.keyValue, headDimension: headDimension,
            feedForwardSize: try feedForwardSize(config, family, hiddenSize: hiddenSize),
            vocabularyCount: try config.integer("vocab_size", in: CheckpointLimits.vocabularyCount),
            contextCount: contextCount, norm: try norm(config, family),
            positions: try positions(config, family, headDimension: headDimension),
            feedForward: family.isGated ? .gated(activation) : .plain(activation),
            biases: try biases(config, family), queryKeyNorm: family.queryKeyNorm,
            attentionWindow: try window(config, family.window, layerCount: layerCount, contextCount: contextCount),
            tiedEmbeddings: tied)
    }

    /// GPT-2 files leave it out, or write null, for four times the hidden size.
    private static func feedForwardSize(
        _ config: HyperParameters, _ family: HuggingFaceFamily, hiddenSize: Int
    ) throws(CheckpointError) -> Int {
        if family.family == .gpt2, config.isNil(family.feedForwardSize) { return 4 * hiddenSize }
        return try config.integer(family.feedForwardSize, in: CheckpointLimits.feedForwardSize)
    }

    private static func norm(
        _ config: HyperParameters, _ family: HuggingFaceFamily
    ) throws(CheckpointError) -> Norm {
        let epsilon = Float(try config.number(family.epsilon, in: CheckpointLimits.normEpsilon))
        return family.norm == .rms ? .rms(epsilon: epsilon) : .layer(epsilon: epsilon)
    }

    /// - Source: transformers, `activations.py`, `ACT2CLS`.
    private static func activation(_ config: HyperParameters, _ name: String) throws(CheckpointError) -> Activation {
        switch try config.text(name).map({ String(decoding: $0, as: UTF8.self) }) {
        case "silu", "swish": return .silu
        case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": return .geluTanh
        case "gelu": return .geluErf
        default: throw config.failure(name, expected: "one of silu, gelu, gelu_new, gelu_pytorch_tanh")
        }
    }

    private static func biases(
        _ config: HyperParameters, _ family: HuggingFaceFamily
    ) throws(CheckpointError) -> Biases {
        var biases = family.biases
        for (name, more) in family.biasFlags where try config.flag(name) == true { biases.formUnion(more) }
        return biases
    }

    private static func window(
        _ config: HyperParameters, _ rule: HuggingFaceFamily.Window, layerCount: Int, contextCount: Int
    ) throws(CheckpointError) -> Int? {
        let range = 1...CheckpointLimits.contextCount.upperBound
        var window: Int?
        switch rule {
        case .none: return nil
        case .always(let usual):
            let said = try config.integer("sliding_window", ifPresentIn: range)
            window = config.contains("sliding_window") ? said : usual
        case .optIn:
            guard try config.flag("use_sliding_window") == true else { return nil }
            guard try slides(config, layerCount: layerCount) else { return nil }
            window = try config.integer("sliding_window", ifPresentIn: range)
        }
        guard let window, window < contextCount else { return nil }
        return window
    }

    /// Whether all layers have the window, or none. Layers before `max_window_layers` have none.
    private static func slides(_ config: HyperParameters, layerCount: Int) throws(CheckpointError) -> Bool {
        if let types = try config.texts("layer_types") {
            let sliding = types.count { $0.elementsEqual("sliding_attention".utf8) }
            guard sliding == 0 || sliding == types.count else {
                throw config.failure("layer_types", expected: "the same for all layers: a pattern is not supported")
            }
            return sliding > 0
        }
        let first = try config.integer("max_window_layers", in: 0...CheckpointLimits.layerCount.upperBound)
        guard first == 0 || first >= layerCount else {
            throw config.failure(
                "max_window_layers", expected: "0 or at least \(layerCount): a pattern of windows is not supported")
        }
        return first == 0
    }
}
