/// How a checkpoint lies on disk, for `inspect` and logs.
package enum CheckpointFormat: Sendable, Equatable, CustomStringConvertible {
    case gguf(version: Int)
    case safetensors(fileCount: Int)

    package var description: String {
        switch self {
        case .gguf(let version): "GGUF v\(version)"
        case .safetensors(1): "safetensors"
        case .safetensors(let fileCount): "safetensors, \(fileCount) shards"
        }
    }
}

/// A model as it lies on disk: its description, its weights by role, what is needed for its tokeniser.
///
/// Opening validates: each tensor that the configuration asks for is there, with the shape that it implies and with an
/// element type that we read. No tensor byte is touched.
package struct Checkpoint: Sendable {
    package let configuration: ModelConfiguration
    package let names: TensorNames
    package let weights: any WeightSource
    package let tokenizer: TokenizerSource
    package let format: CheckpointFormat
    /// File or directory, last path component.
    package let fileName: String

    /// - Throws: unless every role that the configuration asks for has its tensor, in its shape.
    init(
        configuration: ModelConfiguration, names: TensorNames, weights: any WeightSource, tokenizer: TokenizerSource,
        format: CheckpointFormat, fileName: String
    ) throws(CheckpointError) {
        self.configuration = configuration
        self.names = names
        self.weights = weights
        self.tokenizer = tokenizer
        self.format = format
        self.fileName = fileName
        try validateTensors()
    }

    /// A role that exists once. Never nil for a role that the configuration asks for.
    package func weight(_ role: TensorRole) -> WeightView? {
        names.model[role].flatMap { view(role, $0, name: $0.name) }
    }

    /// A layer's role. Never nil for a role that the configuration asks for and a layer that exists.
    package func weight(_ role: TensorRole, layer index: Int) -> WeightView? {
        guard let place = names.layer[role], let name = names.name(role, layer: index) else { return nil }
        return view(role, place, name: name)
    }

    /// As `weight(_:)`, for callers that cannot go on without it.
    package func required(_ role: TensorRole) throws(CheckpointError) -> WeightView {
        if let weight = weight(role) { return weight }
        throw missing(names.name(role) ?? "\(role)")
    }

    /// As `weight(_:layer:)`, for callers that cannot go on without it.
    package func required(_ role: TensorRole, layer index: Int) throws(CheckpointError) -> WeightView {
        if let weight = weight(role, layer: index) { return weight }
        throw missing(names.name(role, layer: index) ?? "\(role) of layer \(index)")
    }

    func missing(_ name: String) -> CheckpointError {
        let type = weights.unsupportedElementType(name)
        let found = type.map { "element type \(quoted($0)), which is not supported" } ?? "none"
        return CheckpointError(
            file: fileName, section: "tensors", expected: "a tensor \(quoted(name))", found: found)
    }

    private func view(_ role: TensorRole, _ place: TensorNames.Place, name: String) -> WeightView? {
        guard let tensor = weights.tensor(name) else { return nil }
        return WeightView(tensor: tensor, layout: place.layout, outputs: configuration.outputs(of: role, place.part))
    }
}
