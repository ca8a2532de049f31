package import InferenceTypes

/// A checkpoint as a GGUF file holds it: keys and tensors in order, the tensors' elements still where they lie.
package struct GGUFExport: Sendable {
    /// Where a tensor's floats come from.
    package enum Source: Sendable {
        /// As the view has them, `[outputs, inputs]`.
        case rows(TensorView)
        /// Output `2i + h` of a head of `dimension` is output `h · dimension / 2 + i` of the view: pairs that are rotated
        /// together lie side by side in the files of Llama.
        case interleaved(TensorView, dimension: Int)
        /// `[inputs, outputs]`, to be turned.
        case transposed(TensorView)
        case values([Float])
    }

    package struct Tensor: Sendable {
        package var name: String
        /// Nil for a tensor that no table knows.
        package var role: TensorRole?
        /// Outermost dimension first, after turning.
        package var shape: [Int]
        package var source: Source

        /// How the elements lie now.
        package var elementType: ElementType {
            switch source {
            case .rows(let view), .interleaved(let view, _), .transposed(let view): view.elementType
            case .values: .f32
            }
        }

        package var byteCount: Int {
            switch source {
            case .rows(let view), .interleaved(let view, _), .transposed(let view): view.byteCount
            case .values(let values): values.count * MemoryLayout<Float>.size
            }
        }

        package var elementCount: Int { shape.reduce(1, *) }
    }

    /// All keys but those that say how tensors lie: alignment, file type, quantisation version. Those of the tokeniser are
    /// among them where the checkpoint is a GGUF file.
    package var entries: [GGUFEntry]
    package var tensors: [Tensor]
    /// What a reader of the file may not know, for people.
    package var notes: [String] = []
}

extension Checkpoint {
    /// This checkpoint as a GGUF file.
    ///
    /// - Throws: when it is something that the format cannot say.
    package func ggufExport() throws(CheckpointError) -> GGUFExport {
        if let file = weights as? GGUFFile { return export(file) }
        return try HuggingFaceExport(self).export()
    }

    /// Keys that the new file has of its own.
    private static let ownKeys = ["general.alignment", "general.file_type", "general.quantization_version"]

    private func export(_ file: GGUFFile) -> GGUFExport {
        let roles = rolesByName
        let entries = file.entries.filter { entry in
            !Self.ownKeys.contains { entry.hasKey($0) } && !entry.key.starts(with: "split.".utf8)
        }
        let tensors = file.storedTensorNames.compactMap { file.tensor($0) }.map { view in
            GGUFExport.Tensor(
                name: view.name, role: roles[Array(view.name.utf8)], shape: view.shape, source: .rows(view))
        }
        return GGUFExport(entries: entries, tensors: tensors)
    }

    /// The role of each tensor that the tables name, the embedding's for one that is the head too.
    private var rolesByName: [[UInt8]: TensorRole] {
        var roles: [[UInt8]: TensorRole] = [:]
        for (role, place) in names.model where role != .head || roles[Array(place.name.utf8)] == nil {
            roles[Array(place.name.utf8)] = role
        }
        if let embedding = names.name(.embedding) { roles[Array(embedding.utf8)] = .embedding }
        for index in 0..<configuration.layerCount {
            for role in names.layer.keys {
                guard let name = names.name(role, layer: index) else { continue }
                roles[Array(name.utf8)] = role
            }
        }
        return roles
    }
}
