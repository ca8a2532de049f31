import Checkpoints
import Kernels

/// A layer's weights bound to the buffers that they read and write, once, so that a step allocates nothing.
struct Layer {
    let index: Int
    let weights: LayerWeights
    /// Queries, keys and values in one pass.
    let heads: Projections
    let attentionOutput: Projections
    let widening: Widening
    let down: Projections

    init(_ weights: LayerWeights, index: Int, _ activations: Activations, _ configuration: ModelConfiguration) {
        func product(_ projection: Projection, into output: FloatRows, store: StoreMode = .replace) -> Product {
            Product(projection.matrix, bias: projection.bias, into: output, store: store)
        }
        self.index = index
        self.weights = weights
        heads = Projections([
            product(weights.query, into: activations.queries), product(weights.key, into: activations.keys),
            product(weights.value, into: activations.values),
        ])
        attentionOutput = Projections([product(weights.attentionOutput, into: activations.hidden, store: .add)])
        let up = (weight: weights.up.matrix, bias: weights.up.bias)
        widening = Widening(
            gate: weights.gate.map { (weight: $0.matrix, bias: $0.bias) } ?? up, up: weights.gate == nil ? nil : up,
            activation: configuration.feedForward.activation)
        down = Projections([product(weights.down, into: activations.hidden, store: .add)])
    }
}
