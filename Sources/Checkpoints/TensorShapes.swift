/// The shape of a role that a configuration implies.
enum WeightShape: Equatable {
    case vector(Int)
    case matrix(outputs: Int, inputs: Int)

    var outputCount: Int {
        switch self {
        case .vector(let count): count
        case .matrix(let outputs, _): outputs
        }
    }
}

extension ModelConfiguration {
    /// Roles that exist once and must have a tensor.
    var modelRoles: [TensorRole] {
        var roles: [TensorRole] = [.embedding, .finalNorm, .head]
        if case .layer = norm { roles.append(.finalNormBias) }
        switch positions {
        case .learned: roles.append(.positionEmbedding)
        case .rotary(let rotary): if rotary.scaling == .frequencyFactors { roles.append(.frequencyFactors) }
        }
        return roles
    }

    /// Roles that each layer must have a tensor for.
    var layerRoles: [TensorRole] {
        var roles: [TensorRole] = [
            .attentionNorm, .query, .key, .value, .attentionOutput, .feedForwardNorm, .up, .down,
        ]
        if case .layer = norm { roles += [.attentionNormBias, .feedForwardNormBias] }
        if case .gated = feedForward { roles.append(.gate) }
        if queryKeyNorm == .perHead { roles += [.queryNorm, .keyNorm] }
        if biases.contains(.attentionQKV) { roles += [.queryBias, .keyBias, .valueBias] }
        if biases.contains(.attentionOutput) { roles.append(.attentionOutputBias) }
        if biases.contains(.feedForward) { roles += [.upBias, .downBias] }
        if biases.contains(.feedForward), case .gated = feedForward { roles.append(.gateBias) }
        return roles
    }

    /// The shape of a role by itself; a fused tensor holds several of them.
    func shape(of role: TensorRole) -> WeightShape {
        switch role {
        case .embedding, .head: .matrix(outputs: vocabularyCount, inputs: hiddenSize)
        case .positionEmbedding: .matrix(outputs: contextCount, inputs: hiddenSize)
        case .frequencyFactors: .vector(rotaryDimension / 2)
        case .finalNorm, .finalNormBias, .attentionNorm, .attentionNormBias, .feedForwardNorm, .feedForwardNormBias:
            .vector(hiddenSize)
        case .query: .matrix(outputs: querySize, inputs: hiddenSize)
        case .key, .value: .matrix(outputs: keyValueSize, inputs: hiddenSize)
        case .queryBias: .vector(querySize)
        case .keyBias, .valueBias: .vector(keyValueSize)
        case .queryNorm, .keyNorm: .vector(headDimension)
        case .attentionOutput: .matrix(outputs: hiddenSize, inputs: querySize)
        case .gate, .up: .matrix(outputs: feedForwardSize, inputs: hiddenSize)
        case .gateBias, .upBias: .vector(feedForwardSize)
        case .down: .matrix(outputs: hiddenSize, inputs: feedForwardSize)
        case .attentionOutputBias, .downBias: .vector(hiddenSize)
        }
    }

    /// The shape of the tensor that holds a role, outermost dimension first.
    func tensorShape(of role: TensorRole, _ place: TensorNames.Place) -> [Int] {
        let shape = shape(of: role)
        let outputCount = place.part == .whole ? shape.outputCount : querySize + 2 * keyValueSize
        switch shape {
        case .vector: return [outputCount]
        case .matrix(_, let inputs):
            return place.layout == .transposed ? [inputs, outputCount] : [outputCount, inputs]
        }
    }

    /// Which outputs of its tensor belong to a role.
    func outputs(of role: TensorRole, _ part: TensorNames.Part) -> Range<Int> {
        switch part {
        case .whole: 0..<shape(of: role).outputCount
        case .fusedQuery: 0..<querySize
        case .fusedKey: querySize..<querySize + keyValueSize
        case .fusedValue: querySize + keyValueSize..<querySize + 2 * keyValueSize
        }
    }

    private var rotaryDimension: Int {
        if case .rotary(let rotary) = positions { rotary.dimension } else { 0 }
    }
}
