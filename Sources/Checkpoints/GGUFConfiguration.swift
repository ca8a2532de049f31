/// What is the same for all models of a family in GGUF files.
struct GGUFFamily {
    enum NormKind {
        case rms, layer
    }

    var family: ModelFamily
    /// `general.architecture`, and what its keys start with.
    var architecture: String
    var norm: NormKind
    /// Nil for learned positions.
    var rotary: Rotary.Layout?
    var feedForward: FeedForward
    var queryKeyNorm = QueryKeyNorm.none
    /// Biases that each model of the family has; others are found from the tensors.
    var biases: Biases = []
    var names: TensorNames

    static let all: [GGUFFamily] = [
        GGUFFamily(
            family: .llama, architecture: "llama", norm: .rms, rotary: .interleaved, feedForward: .gated(.silu),
            names: .llamaGGUF),
        GGUFFamily(
            family: .qwen2, architecture: "qwen2", norm: .rms, rotary: .halfSplit, feedForward: .gated(.silu),
            biases: .attentionQKV, names: .llamaGGUF),
        GGUFFamily(
            family: .qwen3, architecture: "qwen3", norm: .rms, rotary: .halfSplit, feedForward: .gated(.silu),
            queryKeyNorm: .perHead, names: .llamaGGUF),
        GGUFFamily(
            family: .gpt2, architecture: "gpt2", norm: .layer, rotary: nil, feedForward: .plain(.geluTanh),
            biases: [.attentionQKV, .attentionOutput, .feedForward], names: .gpt2GGUF),
    ]
}

/// Keys that change the arithmetic in a way that is not built, and what they must not be.
///
/// - Source: llama.cpp, `src/llama-arch.cpp`, `LLM_KV_NAMES`.
private let unsupportedKeys: [(name: String, feature: String)] = [
    ("expert_count", "a mixture of experts"), ("attention.scale", "an attention scale"),
    ("embedding_scale", "an embedding scale"), ("residual_scale", "a residual scale"),
    ("logit_scale", "a logit scale"), ("attn_logit_softcapping", "soft caps"),
    ("final_logit_softcapping", "soft caps"),
]

extension Checkpoint {
    /// A whole model out of a GGUF file.
    init(_ file: GGUFFile) throws(CheckpointError) {
        let general = HyperParameters(file.metadata, prefix: "general.", file: file.fileName)
        let family = try Self.family(general)
        try Self.requireWhole(file)
        let keys = HyperParameters(file.metadata, prefix: family.architecture + ".", file: file.fileName)
        for (name, feature) in unsupportedKeys where try keys.number(name, ifPresentIn: -1e300...1e300) ?? 0 != 0 {
            throw keys.failure(name, expected: "absent, since \(feature) is not supported")
        }
        let (names, tied) = family.names.tying(.asFound, in: file)
        let name = try general.text("name").flatMap { $0.isEmpty ? nil : $0 }
        let configuration = try Self.configuration(
            keys, family, names, weights: file, name: name.map { displayName($0) } ?? file.fileName, tied: tied)
        try self.init(
            configuration: configuration, names: names, weights: file, tokenizer: .gguf(file.metadata),
            format: .gguf(version: file.version), fileName: file.fileName)
    }

    private static func family(_ general: HyperParameters) throws(CheckpointError) -> GGUFFamily {
        let architecture = try general.text("architecture")
        guard let family = GGUFFamily.all.first(where: { architecture?.elementsEqual($0.architecture.utf8) == true })
        else {
            let known = GGUFFamily.all.map(\.architecture).joined(separator: ", ")
            throw general.failure("architecture", expected: "one of \(known)")
        }
        if let type = try general.text("type"), !type.elementsEqual("model".utf8) {
            throw general.failure("type", expected: "'model'")
        }
        return family
    }

    /// Parts of a split file and vocabularies without a model are refused by name, not by the first missing tensor.
    private static func requireWhole(_ file: GGUFFile) throws(CheckpointError) {
        let split = HyperParameters(file.metadata, prefix: "split.", file: file.fileName)
        if let count = try split.integer("count", ifPresentIn: 0...Int(UInt16.max)), count > 1 {
            throw split.failure("count", expected: "1, since split GGUF files are not supported")
        }
        guard file.totalByteCount > 0 else {
            throw CheckpointError(
                file: file.fileName, section: "tensor table", expected: "a model's tensors", found: "a vocabulary only")
        }
    }

    private static func configuration(
        _ keys: HyperParameters, _ family: GGUFFamily, _ names: TensorNames, weights: GGUFFile, name: String, tied: Bool
    ) throws(CheckpointError) -> ModelConfiguration {
        let hiddenSize = try keys.integer("embedding_length", in: CheckpointLimits.hiddenSize)
        let heads = try HeadCounts(keys, query: "attention.head_count", keyValue: "attention.head_count_kv")
        let headDimension = try heads.dimension(
            keys, "attention.key_length", hiddenSize: hiddenSize, hiddenSizeName: "embedding_length")
        let valueDimension = try keys.integer(
            "attention.value_length", ifPresentIn: CheckpointLimits.headDimension)
        guard valueDimension ?? headDimension == headDimension else {
            throw keys.failure("attention.value_length", expected: "attention.key_length, \(headDimension)")
        }
        let contextCount = try keys.integer("context_length", in: CheckpointLimits.contextCount)
        return ModelConfiguration(
            family: family.family, name: name, hiddenSize: hiddenSize,
            layerCount: try keys.integer("block_count", in: CheckpointLimits.layerCount),
            queryHeadCount: heads.query, keyValueHeadCount: heads.keyValue, headDimension: headDimension,
            feedForwardSize: try keys.integer("feed_forward_length", in: CheckpointLimits.feedForwardSize),
            vocabularyCount: try vocabularyCount(names, weights), contextCount: contextCount,
            norm: try norm(keys, family.norm),
            positions: try positions(keys, family, names, weights, headDimension: headDimension),
            feedForward: family.feedForward, biases: family.biases.union(biases(names, weights)),
            queryKeyNorm: family.queryKeyNorm, attentionWindow: try window(keys, contextCount: contextCount),
            tiedEmbeddings: tied)
    }

    /// Rows of the embedding: `vocab_size` is often absent and the token list may be shorter.
    private static func vocabularyCount(_ names: TensorNames, _ file: GGUFFile) throws(CheckpointError) -> Int {
        guard let name = names.name(.embedding), let tensor = file.tensor(name) else {
            throw CheckpointError(
                file: file.fileName, section: "tensors",
                expected: "a tensor \(quoted(names.name(.embedding) ?? "embedding"))", found: "none")
        }
        guard tensor.shape.count == 2, CheckpointLimits.vocabularyCount.contains(tensor.rowCount) else {
            throw CheckpointError(
                file: file.fileName, section: "tensors",
                expected: "\(quoted(name)) of two dimensions with \(CheckpointLimits.vocabularyCount) rows",
                found: "shape \(tensor.shape)")
        }
        return tensor.rowCount
    }

    private static func norm(
        _ keys: HyperParameters, _ kind: GGUFFamily.NormKind
    ) throws(CheckpointError) -> Norm {
        switch kind {
        case .rms:
            .rms(epsilon: Float(try keys.number("attention.layer_norm_rms_epsilon", in: CheckpointLimits.normEpsilon)))
        case .layer:
            .layer(epsilon: Float(try keys.number("attention.layer_norm_epsilon", in: CheckpointLimits.normEpsilon)))
        }
    }

    private static func positions(
        _ keys: HyperParameters, _ family: GGUFFamily, _ names: TensorNames, _ weights: GGUFFile, headDimension: Int
    ) throws(CheckpointError) -> PositionEncoding {
        guard let layout = family.rotary else { return .learned }
        let dimension =
            try keys.integer("rope.dimension_count", ifPresentIn: CheckpointLimits.headDimension) ?? headDimension
        guard dimension.isMultiple(of: 2), dimension <= headDimension else {
            throw keys.failure("rope.dimension_count", expected: "even and at most \(headDimension)")
        }
        return .rotary(
            Rotary(
                // What llama.cpp takes when the key is absent.
                base: try keys.number("rope.freq_base", ifPresentIn: CheckpointLimits.rotaryBase) ?? 10_000,
                dimension: dimension, layout: layout, scaling: try scaling(keys, names, weights)))
    }

    private static func scaling(
        _ keys: HyperParameters, _ names: TensorNames, _ weights: GGUFFile
    ) throws(CheckpointError) -> Rotary.Scaling {
        let hasFactors = names.name(.frequencyFactors).map(weights.holds) == true
        let type = try keys.text("rope.scaling.type") ?? Array("none".utf8)
        let isLinear = type.elementsEqual("linear".utf8)
        guard isLinear || type.elementsEqual("none".utf8) else {
            throw keys.failure("rope.scaling.type", expected: "'none' or 'linear'")
        }
        // Files of 2023 spell a linear factor `rope.scale_linear`.
        let old = try keys.number("rope.scale_linear", ifPresentIn: CheckpointLimits.rotaryFactor)
        let new =
            isLinear
            ? try keys.number("rope.scaling.factor", ifPresentIn: 0...CheckpointLimits.rotaryFactor.upperBound) : nil
        let factor = new ?? old ?? 1
        guard factor == 0 || CheckpointLimits.rotaryFactor.contains(factor) else {
            throw keys.failure("rope.scaling.factor", expected: "a number in \(CheckpointLimits.rotaryFactor)")
        }
        guard factor > 1 else { return hasFactors ? .frequencyFactors : .none }
        guard !hasFactors else {
            throw keys.failure("rope.scaling.factor", expected: "absent beside the tensor of frequency factors")
        }
        return .linear(factor: factor)
    }

    /// From layer 0; the others must then have them too.
    private static func biases(_ names: TensorNames, _ weights: GGUFFile) -> Biases {
        let found: [(TensorRole, Biases)] = [
            (.queryBias, .attentionQKV), (.attentionOutputBias, .attentionOutput), (.downBias, .feedForward),
        ]
        return found.reduce(into: []) { biases, entry in
            if names.name(entry.0, layer: 0).map(weights.holds) == true { biases.formUnion(entry.1) }
        }
    }

    private static func window(_ keys: HyperParameters, contextCount: Int) throws(CheckpointError) -> Int? {
        let window = try keys.integer(
            "attention.sliding_window", ifPresentIn: 0...CheckpointLimits.contextCount.upperBound)
        guard let window, window > 0, window < contextCount else { return nil }
        return window
    }
}

/// Query and KV heads, checked against each other.
struct HeadCounts {
    let query: Int
    let keyValue: Int

    /// - Parameter keyValue: the name of the count of KV heads; absent means as many as query heads.
    init(_ parameters: HyperParameters, query: String, keyValue: String?) throws(CheckpointError) {
        self.query = try parameters.integer(query, in: CheckpointLimits.headCount)
        guard let keyValue else {
            self.keyValue = self.query
            return
        }
        self.keyValue = try parameters.integer(keyValue, ifPresentIn: CheckpointLimits.headCount) ?? self.query
        guard self.query.isMultiple(of: self.keyValue) else {
            throw parameters.failure(keyValue, expected: "a divisor of \(query), \(self.query)")
        }
    }

    /// Elements of a head: said, or the hidden size shared among the query heads.
    func dimension(
        _ parameters: HyperParameters, _ name: String, hiddenSize: Int, hiddenSizeName: String
    ) throws(CheckpointError) -> Int {
        if let said = try parameters.integer(name, ifPresentIn: CheckpointLimits.headDimension) { return said }
        guard hiddenSize.isMultiple(of: query), CheckpointLimits.headDimension.contains(hiddenSize / query) else {
            throw parameters.failure(
                hiddenSizeName, expected: "\(query) heads of \(CheckpointLimits.headDimension) elements each")
        }
        return hiddenSize / query
    }
}

/// A name out of a file, for people: printable, of bounded length.
func displayName(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.prefix(256), as: UTF8.self).filter { !$0.unicodeScalars.contains { $0.value < 0x20 } }
}
