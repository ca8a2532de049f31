import Checkpoints
import InferenceTypes
import Kernels

/// A matrix and what is added to its product.
struct Projection {
    let matrix: Matrix
    let bias: UnsafePointer<Float>?
}

/// Weight of a norm, and its bias where the norm has one.
struct NormWeights {
    let weight: UnsafePointer<Float>
    let bias: UnsafePointer<Float>?
}

struct LayerWeights {
    let attentionNorm: NormWeights
    let query, key, value, attentionOutput: Projection
    /// One weight for all heads, `[head dimension]`; nil when queries and keys are not normalised.
    let queryNorm, keyNorm: UnsafePointer<Float>?
    let feedForwardNorm: NormWeights
    /// Nil when the feed-forward network has no gate.
    let gate: Projection?
    let up, down: Projection
}

/// All weights by their role. Matrices stay where they lie in the checkpoint; vectors, and matrices that lie transposed,
/// are turned into floats once.
struct ModelWeights {
    let embedding: Matrix
    let positionEmbedding: Matrix?
    let layers: [LayerWeights]
    let finalNorm: NormWeights
    let head: Matrix
    /// Divisors of the rotary frequencies, where the checkpoint brings them.
    let frequencyFactors: [Float]?
    /// Keep what the pointers point into.
    private let checkpoint: Checkpoint
    private let owned: WeightMemory

    init(_ checkpoint: Checkpoint) throws(CheckpointError) {
        let memory = WeightMemory(checkpoint)
        embedding = try memory.matrix(.embedding)
        positionEmbedding =
            checkpoint.configuration.positions == .learned ? try memory.matrix(.positionEmbedding) : nil
        var layers: [LayerWeights] = []
        for index in 0..<checkpoint.configuration.layerCount { layers.append(try memory.layer(index)) }
        self.layers = layers
        finalNorm = NormWeights(
            weight: try memory.vector(.finalNorm), bias: try memory.normBias(.finalNormBias, layer: nil))
        head = try memory.matrix(.head)
        frequencyFactors = try memory.frequencyFactors()
        self.checkpoint = checkpoint
        owned = memory
    }
}

/// Finds weights in a checkpoint and holds those that had to be copied.
private final class WeightMemory {
    private let checkpoint: Checkpoint
    private let configuration: ModelConfiguration
    private var arenas: [Arena] = []

    init(_ checkpoint: Checkpoint) {
        self.checkpoint = checkpoint
        configuration = checkpoint.configuration
    }

    private func weight(_ role: TensorRole, _ layer: Int?) throws(CheckpointError) -> WeightView {
        guard let layer else { return try checkpoint.required(role) }
        return try checkpoint.required(role, layer: layer)
    }

    func matrix(_ role: TensorRole, layer: Int? = nil) throws(CheckpointError) -> Matrix {
        let view = try weight(role, layer)
        if view.layout == .transposed { return transposed(view) }
        return Matrix(
            bytes: view.bytes, elementType: view.elementType, rowCount: view.outputCount, columnCount: view.inputCount)
    }

    func vector(_ role: TensorRole, layer: Int? = nil) throws(CheckpointError) -> UnsafePointer<Float> {
        let view = try weight(role, layer)
        let floats = allocate(view.outputCount)
        dequantize(
            view.elementType, view.bytes, into: UnsafeMutableBufferPointer(start: floats, count: view.outputCount))
        return UnsafePointer(floats)
    }

    func normBias(_ role: TensorRole, layer: Int?) throws(CheckpointError) -> UnsafePointer<Float>? {
        guard case .layer = configuration.norm else { return nil }
        return try vector(role, layer: layer)
    }

    func frequencyFactors() throws(CheckpointError) -> [Float]? {
        guard case .rotary(let rotary) = configuration.positions, rotary.scaling == .frequencyFactors else {
            return nil
        }
        return Array(UnsafeBufferPointer(start: try vector(.frequencyFactors), count: rotary.dimension / 2))
    }

    func layer(_ index: Int) throws(CheckpointError) -> LayerWeights {
        let biases = configuration.biases
        func projection(
            _ role: TensorRole, _ biasRole: TensorRole, _ kind: Biases
        ) throws(CheckpointError) -> Projection {
            Projection(
                matrix: try matrix(role, layer: index),
                bias: biases.contains(kind) ? try vector(biasRole, layer: index) : nil)
        }
        func norm(_ role: TensorRole, _ biasRole: TensorRole) throws(CheckpointError) -> NormWeights {
            NormWeights(weight: try vector(role, layer: index), bias: try normBias(biasRole, layer: index))
        }
        let normsHeads = configuration.queryKeyNorm == .perHead
        return LayerWeights(
            attentionNorm: try norm(.attentionNorm, .attentionNormBias),
            query: try projection(.query, .queryBias, .attentionQKV),
            key: try projection(.key, .keyBias, .attentionQKV),
            value: try projection(.value, .valueBias, .attentionQKV),
            attentionOutput: try projection(.attentionOutput, .attentionOutputBias, .attentionOutput),
            queryNorm: normsHeads ? try vector(.queryNorm, layer: index) : nil,
            keyNorm: normsHeads ? try vector(.keyNorm, layer: index) : nil,
            feedForwardNorm: try norm(.feedForwardNorm, .feedForwardNormBias),
            gate: configuration.feedForward.isGated ? try projection(.gate, .gateBias, .feedForward) : nil,
            up: try projection(.up, .upBias, .feedForward), down: try projection(.down, .downBias, .feedForward))
    }

    private func allocate(_ count: Int) -> UnsafeMutablePointer<Float> {
        let arena = Arena(capacity: Arena.footprint(count))
        arenas.append(arena)
        return arena.allocate(count)
    }

    /// `[inputs, all outputs]` to `[outputs, inputs]` as floats.
    private func transposed(_ view: WeightView) -> Matrix {
        let (inputs, outputs, all) = (view.inputCount, view.outputCount, view.tensor.columnCount)
        let result = allocate(inputs * outputs)
        var row = [Float](repeating: 0, count: all)
        let rowByteCount = view.tensor.rowByteCount
        for input in 0..<inputs {
            let bytes = UnsafeRawBufferPointer(
                rebasing: view.bytes[input * rowByteCount..<(input + 1) * rowByteCount])
            row.withUnsafeMutableBufferPointer { dequantize(view.elementType, bytes, into: $0) }
            for output in 0..<outputs { result[output * inputs + input] = row[view.outputs.lowerBound + output] }
        }
        return Matrix(
            bytes: UnsafeRawBufferPointer(UnsafeBufferPointer(start: result, count: inputs * outputs)),
            elementType: .f32,
            rowCount: outputs, columnCount: inputs)
    }
}

extension FeedForward {
    var isGated: Bool { if case .gated = self { true } else { false } }

    var activation: ActivationKind {
        let activation =
            switch self {
            case .gated(let kind), .plain(let kind): kind
            }
        return switch activation {
        case .silu: .silu
        case .geluTanh: .geluTanh
        case .geluErf: .geluErf
        }
    }
}
