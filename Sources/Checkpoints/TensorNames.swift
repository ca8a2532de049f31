/// What a tensor is for.
package enum TensorRole: Sendable, Hashable, CaseIterable {
    case embedding, positionEmbedding, finalNorm, finalNormBias, head
    /// Divisors of the rotary frequencies, `[dimension / 2]`.
    case frequencyFactors
    case attentionNorm, attentionNormBias
    case query, queryBias, key, keyBias, value, valueBias
    case queryNorm, keyNorm
    case attentionOutput, attentionOutputBias
    case feedForwardNorm, feedForwardNormBias
    case gate, gateBias, up, upBias, down, downBias
}

/// How a matrix lies.
package enum MatrixLayout: Sendable, Equatable {
    /// `[outputs, inputs]`: a row makes one output.
    case rowsAreOutputs
    /// `[inputs, outputs]`: a column makes one output. GPT-2's `Conv1D` in Hugging Face files.
    case transposed
}

/// The table of names of a family in a format: where the tensor of each role is.
package struct TensorNames: Sendable, Equatable {
    /// Which outputs of a tensor are meant.
    package enum Part: Sendable, Equatable {
        case whole
        /// The first, middle and last part of a tensor that makes queries, keys and values at once.
        case fusedQuery, fusedKey, fusedValue
    }

    package struct Place: Sendable, Equatable {
        /// The whole name, or what follows the layer's number and a dot.
        package var name: String
        package var layout: MatrixLayout
        package var part: Part

        package init(_ name: String, layout: MatrixLayout = .rowsAreOutputs, part: Part = .whole) {
            self.name = name
            self.layout = layout
            self.part = part
        }
    }

    /// Roles that exist once.
    package var model: [TensorRole: Place]
    /// Roles that each layer has.
    package var layer: [TensorRole: Place]
    /// What stands before the layer's number: `blk.` or `model.layers.`.
    package var layerPrefix: String

    package init(model: [TensorRole: Place], layerPrefix: String, layer: [TensorRole: Place]) {
        self.model = model
        self.layerPrefix = layerPrefix
        self.layer = layer
    }

    /// Full name of a role that exists once, nil when the table has none.
    package func name(_ role: TensorRole) -> String? { model[role]?.name }

    /// Full name of a layer's tensor, nil when the table has none.
    package func name(_ role: TensorRole, layer index: Int) -> String? {
        layer[role].map { layerPrefix + String(index) + "." + $0.name }
    }
}
