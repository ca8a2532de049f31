package import Checkpoints

/// Which tensors are pruned, and by what.
///
/// The matrices of all layers. Embedding and head stay as they are, as in Wanda: their rows are looked up or make the final
/// scores one by one.
package struct PruningPass: Sendable {
    private struct Place {
        var layout: MatrixLayout
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
                var place = Place(layout: weight.layout, inputCount: weight.inputCount)
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

    /// Prunes some rows of a tensor as they lie in its file, outermost dimension first.
    ///
    /// - Shapes: `[some outputs, inputs]`; `[all inputs, all outputs]` where the tensor lies transposed.
    /// - Returns: how many weights were removed; nil for a tensor that is not pruned.
    package func prune(_ values: UnsafeMutableBufferPointer<Float>, of tensor: String) -> Int? {
        guard let place = places[tensor] else { return nil }
        guard place.layout == .transposed else {
            return pruner.prune(values, columnCount: place.inputCount, inputNorms: place.inputNorms)
        }
        precondition(values.count.isMultiple(of: place.inputCount))
        return pruneColumns(values, place)
    }

    private func pruneColumns(_ values: UnsafeMutableBufferPointer<Float>, _ place: Place) -> Int {
        let outputCount = values.count / place.inputCount
        var row = [Float](repeating: 0, count: place.inputCount)
        return row.withUnsafeMutableBufferPointer { row in
            (0..<outputCount).reduce(0) { sum, output in
                for input in row.indices { row[input] = values[input * outputCount + output] }
                let count = pruner.prune(row, columnCount: row.count, inputNorms: place.inputNorms)
                for input in row.indices { values[input * outputCount + output] = row[input] }
                return sum + count
            }
        }
    }
}
