import Checkpoints
import Kernels

/// One layer, as its configuration describes it: the same code for every family.
struct LayerForward {
    let configuration: ModelConfiguration
    let workers: Workers
    let activations: Activations
    let observer: ProjectionObserver?

    /// Adds the layer's attention and feed-forward network to `hidden`.
    ///
    /// - Shapes: the first `tokenCount` rows of each buffer.
    func run(
        _ layer: Layer, cache: KeyValueLayer, tokenCount: Int, slots: UnsafePointer<Int32>, at places: AttentionPlaces
    ) {
        let hidden = activations.hidden.first(tokenCount)
        let states = activations.input(layer.heads.inputKind)
        norm(hidden, layer.weights.attentionNorm, into: states)
        observe(states, .heads, layer, tokenCount)
        projectHeads(layer, tokenCount: tokenCount)
        workers.writeKeyValues(
            cache, keys: activations.keys.first(tokenCount), values: activations.values.first(tokenCount), slots: slots)
        attend(layer, cache: cache, tokenCount: tokenCount, at: places)

        let input = activations.input(layer.widening.inputKind)
        let widened = activations.widenedRows(layer.down.inputKind)
        norm(hidden, layer.weights.feedForwardNorm, into: input)
        observe(input, .widening, layer, tokenCount)
        workers.projectGated(input, layer.widening, rowCount: tokenCount, into: widened)
        observe(widened, .down, layer, tokenCount)
        workers.project(widened, layer.down, rowCount: tokenCount)
    }

    private func observe(_ rows: ActivationRows, _ site: ProjectionSite, _ layer: Layer, _ tokenCount: Int) {
        guard let observer else { return }
        observer(ProjectionInput(site: site, layer: layer.index, rows: rows.floatRows(tokenCount)))
    }

    /// - Parameter floats: where the output goes as floats, too.
    func norm(_ input: FloatRows, _ weights: NormWeights, into output: ActivationRows, floats: FloatRows? = nil) {
        workers.norm(
            input, weight: weights.weight, bias: weights.bias, epsilon: configuration.norm.epsilon, into: output,
            floats: floats)
    }

    /// Queries, keys and values, normalised and turned where the model does that.
    private func projectHeads(_ layer: Layer, tokenCount: Int) {
        workers.project(activations.input(layer.heads.inputKind), layer.heads, rowCount: tokenCount)
        let queries = activations.queries.first(tokenCount)
        let keys = activations.keys.first(tokenCount)
        if let queryNorm = layer.weights.queryNorm, let keyNorm = layer.weights.keyNorm {
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

    private func attend(_ layer: Layer, cache: KeyValueLayer, tokenCount: Int, at places: AttentionPlaces) {
        let attended = activations.attended.first(tokenCount)
        workers.attention(
            cache, queries: activations.queries.first(tokenCount), at: places, window: configuration.attentionWindow,
            into: attended)
        let rows = activations.attendedRows(layer.attentionOutput.inputKind)
        workers.convert(attended, into: rows)
        observe(rows, .attentionOutput, layer, tokenCount)
        workers.project(rows, layer.attentionOutput, rowCount: tokenCount)
    }

    private func turn(_ rows: FloatRows, _ rotary: Rotary) {
        workers.rotary(
            rows, headDimension: configuration.headDimension, rotaryDimension: rotary.dimension,
            cosines: activations.cosines, sines: activations.sines,
            layout: rotary.layout == .interleaved ? .interleaved : .halfSplit)
    }

    private func heads(_ rows: FloatRows) -> FloatRows { rows.split(columnCount: configuration.headDimension) }
}
