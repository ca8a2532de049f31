package import Checkpoints

/// A part of a tensor that is pruned: rows of one role.
package struct PruningPlace: Sendable, Equatable {
    package let role: TensorRole
    package let layer: Int
    /// Of the tensor's outputs: all of them unless query, key and value are fused.
    package let outputs: Range<Int>
    package let layout: MatrixLayout
}

/// Which tensors are pruned: the matrices of all layers. Embedding and head stay as they are, as in Wanda: they are looked
/// up or make the final scores, and lose far more than they save.
package enum PruningPlaces {
    package static let roles: [TensorRole] = [.query, .key, .value, .attentionOutput, .gate, .up, .down]

    /// By the name of the tensor.
    package static func byTensor(_ checkpoint: Checkpoint) -> [String: [PruningPlace]] {
        var places: [String: [PruningPlace]] = [:]
        for layer in 0..<checkpoint.configuration.layerCount {
            for role in roles {
                guard let weight = checkpoint.weight(role, layer: layer), weight.tensor.shape.count > 1 else {
                    continue
                }
                places[weight.tensor.name, default: []].append(
                    PruningPlace(role: role, layer: layer, outputs: weight.outputs, layout: weight.layout))
            }
        }
        return places
    }
}
