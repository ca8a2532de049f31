import Glibc
import InferenceTypes

/// Writes a Hugging Face checkpoint in the words of GGUF: its keys, its names, its order of rows.
///
/// - Source: GGUF specification, section "Standardized key-value pairs"; llama.cpp `src/llama-arch.cpp` for the names.
struct HuggingFaceExport {
    private let checkpoint: Checkpoint
    private let configuration: ModelConfiguration
    private let family: GGUFFamily
    private var entries: [GGUFEntry] = []
    private var notes: [String] = []

    init(_ checkpoint: Checkpoint) throws(CheckpointError) {
        self.checkpoint = checkpoint
        configuration = checkpoint.configuration
        guard let family = GGUFFamily.all.first(where: { $0.family == checkpoint.configuration.family }) else {
            throw CheckpointError(
                file: checkpoint.fileName, section: "configuration", expected: "a family that GGUF files have",
                found: checkpoint.configuration.family.rawValue)
        }
        self.family = family
        guard configuration.feedForward == family.feedForward else {
            throw CheckpointError(
                file: checkpoint.fileName, section: "configuration",
                expected: "the activation of every \(family.architecture) model, since a GGUF file cannot say which",
                found: "another one")
        }
    }

    func export() throws(CheckpointError) -> GGUFExport {
        var result = self
        result.addKeys()
        let tensors = try result.tensors()
        return GGUFExport(entries: result.entries, tensors: tensors, notes: result.notes)
    }

    // MARK: - Keys

    private mutating func set(_ name: String, _ value: GGUFTypedValue) {
        entries.append(GGUFEntry("\(family.architecture).\(name)", value))
    }

    /// Every count was checked against `CheckpointLimits`, which are below 2^32.
    private mutating func set(_ name: String, _ count: Int) { set(name, .uint32(UInt32(clamping: count))) }

    private mutating func addKeys() {
        entries.append(GGUFEntry("general.architecture", .string(Array(family.architecture.utf8))))
        entries.append(GGUFEntry("general.type", .string(Array("model".utf8))))
        entries.append(GGUFEntry("general.name", .string(Array(configuration.name.utf8))))
        set("vocab_size", configuration.vocabularyCount)
        set("context_length", configuration.contextCount)
        set("embedding_length", configuration.hiddenSize)
        set("block_count", configuration.layerCount)
        set("feed_forward_length", configuration.feedForwardSize)
        set("attention.head_count", configuration.queryHeadCount)
        set("attention.head_count_kv", configuration.keyValueHeadCount)
        switch configuration.norm {
        case .rms(let epsilon): set("attention.layer_norm_rms_epsilon", .float32(epsilon))
        case .layer(let epsilon): set("attention.layer_norm_epsilon", .float32(epsilon))
        }
        if case .rotary(let rotary) = configuration.positions { addRotary(rotary) }
        if let window = configuration.attentionWindow {
            set("attention.sliding_window", window)
            notes.append(
                "the attention window of \(window) is written, but llama.cpp does not heed it in \(family.architecture)"
                    + " files: texts beyond it will differ there")
        }
    }

    private mutating func addRotary(_ rotary: Rotary) {
        set("attention.key_length", configuration.headDimension)
        set("attention.value_length", configuration.headDimension)
        set("rope.dimension_count", rotary.dimension)
        set("rope.freq_base", .float32(Float(rotary.base)))
        if case .linear(let factor) = rotary.scaling {
            set("rope.scaling.type", .string(Array("linear".utf8)))
            set("rope.scaling.factor", .float32(Float(factor)))
        }
    }

    // MARK: - Tensors

    private func tensors() throws(CheckpointError) -> [GGUFExport.Tensor] {
        var tensors = [try tensor(.embedding)]
        if case .learned = configuration.positions { tensors.append(try tensor(.positionEmbedding)) }
        if let factors = try frequencyFactors() { tensors.append(factors) }
        for index in 0..<configuration.layerCount {
            var names: Set<String> = []
            for role in configuration.layerRoles {
                // Query, key and value of GPT-2 are one tensor.
                guard let name = family.names.name(role, layer: index), names.insert(name).inserted else { continue }
                tensors.append(try tensor(role, layer: index, name: name))
            }
        }
        tensors.append(try tensor(.finalNorm))
        if case .layer = configuration.norm { tensors.append(try tensor(.finalNormBias)) }
        if !configuration.tiedEmbeddings { tensors.append(try tensor(.head)) }
        return tensors
    }

    private func tensor(_ role: TensorRole) throws(CheckpointError) -> GGUFExport.Tensor {
        let view = try checkpoint.required(role)
        guard let name = family.names.name(role) else { throw checkpoint.missing("\(role)") }
        return GGUFExport.Tensor(name: name, role: role, shape: view.tensor.shape, source: .rows(view.tensor))
    }

    private func tensor(_ role: TensorRole, layer index: Int, name: String) throws(CheckpointError)
        -> GGUFExport.Tensor
    {
        let view = try checkpoint.required(role, layer: index)
        let shape = view.tensor.shape
        if view.layout == .transposed, shape.count == 2 {
            return GGUFExport.Tensor(name: name, role: role, shape: shape.reversed(), source: .transposed(view.tensor))
        }
        let isRotated = [.query, .queryBias, .key, .keyBias].contains(role)
        let source: GGUFExport.Source =
            isRotated && family.rotary == .interleaved
            ? .interleaved(view.tensor, dimension: configuration.headDimension) : .rows(view.tensor)
        return GGUFExport.Tensor(name: name, role: role, shape: shape, source: source)
    }

    /// Llama 3's scaling as divisors of the frequencies, which is how the format says it.
    private func frequencyFactors() throws(CheckpointError) -> GGUFExport.Tensor? {
        guard case .rotary(let rotary) = configuration.positions,
            case .llama3(let factor, let low, let high, let originalContext) = rotary.scaling
        else { return nil }
        guard family.family == .llama, let name = family.names.name(.frequencyFactors) else {
            throw CheckpointError(
                file: checkpoint.fileName, section: "configuration",
                expected: "no 'llama3' rotary scaling, which GGUF files have for Llama alone", found: "it")
        }
        let factors = (0..<rotary.dimension / 2).map { pair in
            let turns =
                Double(originalContext) * pow(rotary.base, -2 * Double(pair) / Double(rotary.dimension)) / (2 * .pi)
            if turns > high { return Float(1) }
            if turns < low { return Float(factor) }
            let share = (turns - low) / (high - low)
            return Float(1 / ((1 - share) / factor + share))
        }
        return GGUFExport.Tensor(
            name: name, role: .frequencyFactors, shape: [factors.count], source: .values(factors))
    }
}
