package import Checkpoints
package import InferenceTypes

/// Which tensors are pruned, and by what.
///
/// The matrices of all layers. Embedding and head stay as they are, as in Wanda: their rows are looked up or make the final
/// scores one by one.
package struct PruningPass: Sendable {
    private struct Place {
        var inputCount: Int
        var inputNorms: [Float]?
    }

    package let pruner: Pruner
    /// By the name of a tensor.
    private var places: [String: Place] = [:]

    package static let roles: [TensorRole] = [.query, .key, .value, .attentionOutput, .gate, .up, .down]

    /// - Parameter norms: the L2 norms of the inputs of a role's matrix in a layer; magnitude alone decides without it.
    /// - Throws: where a norm that is needed is missing or has another length.
    package init(
        _ checkpoint: Checkpoint, _ pattern: PruningPattern, norms: ((TensorRole, Int) -> [Float]?)? = nil
    ) throws(PruningError) {
        pruner = Pruner(pattern)
        for layer in 0..<checkpoint.configuration.layerCount {
            for role in Self.roles {
                guard let weight = checkpoint.weight(role, layer: layer), weight.tensor.shape.count > 1 else {
                    continue
                }
                var place = Place(inputCount: weight.inputCount)
                if let norms {
                    // Query, key and value that are fused read one input.
                    guard let found = norms(role, layer), found.count == weight.inputCount else {
                        throw .norms(weight.tensor.name)
                    }
                    place.inputNorms = found
                }
                places[weight.tensor.name] = place
            }
        }
    }

    /// The tensors that are pruned.
    package var tensorNames: [String] { places.keys.sorted() }

    package func contains(_ tensor: String) -> Bool { places[tensor] != nil }

    /// Prunes rows of a tensor.
    ///
    /// - Parameters:
    ///   - rows: `[some outputs, inputs]`, turned where the file has them the other way round.
    ///   - tensor: its name in the checkpoint.
    /// - Returns: how many weights were removed; nil for a tensor that is not pruned.
    package func prune(_ rows: UnsafeMutableBufferPointer<Float>, of tensor: String) -> Int? {
        places[tensor].map { pruner.prune(rows, columnCount: $0.inputCount, inputNorms: $0.inputNorms) }
    }
}

extension ElementType {
    /// Whether a weight of 0 is 0 when it is read back. Blocks with a minimum have levels that start there, and 0 is hardly
    /// ever one of them.
    package var keepsZeros: Bool {
        switch self {
        case .f32, .f16, .bf16, .q8_0, .q4_0, .q5_0, .q6_K: true
        case .q4_1, .q5_1, .q4_K, .q5_K: false
        }
    }
}
