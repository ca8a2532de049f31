import InferenceTypes

extension Checkpoint {
    /// Compares every tensor that the configuration asks for with what is there.
    func validateTensors() throws(CheckpointError) {
        for role in configuration.modelRoles {
            guard let place = names.model[role] else { throw missing("\(role)") }
            try validate(role, place, name: place.name)
        }
        for index in 0..<configuration.layerCount {
            for role in configuration.layerRoles {
                guard let place = names.layer[role], let name = names.name(role, layer: index) else {
                    throw missing("\(role) of layer \(index)")
                }
                try validate(role, place, name: name)
            }
        }
    }

    private func validate(_ role: TensorRole, _ place: TensorNames.Place, name: String) throws(CheckpointError) {
        guard let tensor = weights.tensor(name) else { throw missing(name) }
        let expected = configuration.tensorShape(of: role, place)
        guard tensor.shape == expected else {
            throw CheckpointError(
                file: fileName, section: "tensors", expected: "\(quoted(name)) of shape \(expected)",
                found: "shape \(shown(tensor.shape))")
        }
        guard expected.count > 1 || tensor.elementType.blockElementCount == 1 else {
            throw CheckpointError(
                file: fileName, section: "tensors", expected: "\(quoted(name)), a vector, in F32, F16 or BF16",
                found: tensor.elementType.name)
        }
        guard place.layout == .rowsAreOutputs || tensor.elementType.blockElementCount == 1 else {
            throw CheckpointError(
                file: fileName, section: "tensors",
                expected: "\(quoted(name)), which lies transposed, in F32, F16 or BF16",
                found: tensor.elementType.name)
        }
    }
}

/// A shape in a message: a hostile one has 100 000 dimensions.
func shown(_ shape: [Int]) -> String {
    shape.count <= 8 ? "\(shape)" : "of \(shape.count) dimensions"
}
