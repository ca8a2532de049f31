import Checkpoints
import Kernels

/// One layer, as its configuration describes it: the same code for every family.
struct LayerForward {
    let configuration: ModelConfiguration
    let workers: Workers
    let activations: Activations

    /// Adds the layer's attention and feed-forward network to `hidden`.
    ///
    /// - Shapes: the first `tokenCount` rows of each buffer.
    func run(
        _ weights: LayerWeights, cache: KeyValueLayer, tokenCount: Int, slots: UnsafePointer<Int32>,
        at places: AttentionPlaces
    ) {
        let hidden = activations.hidden.first(tokenCount)
        let normed = activations.normed.first(tokenCount)
        let attended = activations.attended.first(tokenCount)

        norm(hidden, weights.attentionNorm, into: normed)
        projectHeads(weights, normed, tokenCount: tokenCount)
        let keys = activations.keys.first(tokenCount)
        workers.writeKeyValues(cache, keys: keys, values: activations.values.first(tokenCount), slots: slots)
        workers.attention(
            cache, queries: activations.queries.first(tokenCount), at: places, window: configuration.attentionWindow,
            into: attended)
        project(attended, weights.attentionOutput, into: hidden, store: .add)

        norm(hidden, weights.feedForwardNorm, into: normed)
        let widened = widen(weights, normed, tokenCount: tokenCount)
        project(widened, weights.down, into: hidden, store: .add)
    }

    func norm(_ input: FloatRows, _ weights: NormWeights, into output: FloatRows) {
        switch (configuration.norm, weights.bias) {
        case (.layer(let epsilon), let bias?):
            workers.layerNorm(input, weight: weights.weight, bias: bias, epsilon: epsilon, into: output)
        case (.layer(let epsilon), nil), (.rms(let epsilon), _):
            workers.rmsNorm(input, weight: weights.weight, epsilon: epsilon, into: output)
        }
    }

    private func project(_ input: FloatRows, _ projection: Projection, into output: FloatRows, store: StoreMode) {
        workers.matmul(input, projection.matrix, bias: projection.bias, into: output, store: store)
    }

    /// Queries, keys and values, normalised and turned where the model does that.
    private func projectHeads(_ weights: LayerWeights, _ normed: FloatRows, tokenCount: Int) {
        let queries = activations.queries.first(tokenCount)
        let keys = activations.keys.first(tokenCount)
        project(normed, weights.query, into: queries, store: .replace)
        project(normed, weights.key, into: keys, store: .replace)
        project(normed, weights.value, into: activations.values.first(tokenCount), store: .replace)
        if let queryNorm = weights.queryNorm, let keyNorm = weights.keyNorm {
            let (queryHeads, keyHeads) = (heads(queries), heads(keys))
            let epsilon = configuration.norm.epsilon
            workers.rmsNorm(queryHeads, weight: queryNorm, epsilon: epsilon, into: queryHeads)
            workers.rmsNorm(keyHeads, weight: keyNorm, epsilon: epsilon, into: keyHeads)
        }
        if case .rotary(let rotary) = configuration.positions {
            turn(queries, rotary)
            turn(keys, rotary)
        }
    }

    private func turn(_ rows: FloatRows, _ rotary: Rotary) {
        workers.rotary(
            rows, headDimension: configuration.headDimension, rotaryDimension: rotary.dimension,
            cosines: activations.cosines, sines: activations.sines,
            layout: rotary.layout == .interleaved ? .interleaved : .halfSplit)
    }

    private func heads(_ rows: FloatRows) -> FloatRows { rows.split(columnCount: configuration.headDimension) }

    /// What `down` reads: `[tokens, feed forward]`.
    private func widen(_ weights: LayerWeights, _ normed: FloatRows, tokenCount: Int) -> FloatRows {
        let up = activations.up.first(tokenCount)
        project(normed, weights.up, into: up, store: .replace)
        guard let gate = weights.gate else {
            workers.activate(configuration.feedForward.activation, gate: up, up: nil)
            return up
        }
        let gated = activations.gate.first(tokenCount)
        project(normed, gate, into: gated, store: .replace)
        workers.activate(configuration.feedForward.activation, gate: gated, up: up)
        return gated
    }
}
