import Checkpoints
import InferenceTypes
import Kernels

/// A matrix and what is added to its product.
struct Projection {
    let matrix: PackedMatrix
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

/// Where rows of the embedding come from.
enum Embedding {
    /// From the file, where it lies.
    case table(Matrix)
    /// The head is the same matrix.
    case head
}

/// All weights by their role: matrices in panels, vectors as floats, an embedding of its own where it lies in the
/// checkpoint.
struct ModelWeights {
    let embedding: Embedding
    let positionEmbedding: Matrix?
    let layers: [LayerWeights]
    let finalNorm: NormWeights
    let head: PackedMatrix
    /// Divisors of the rotary frequencies, where the checkpoint brings them.
    let frequencyFactors: [Float]?
    /// Keep what the pointers point into.
    private let checkpoint: Checkpoint
    private let packer: WeightPacker

    /// Packs, all threads together, which reads every byte of the file once; what was read is given back to the system.
    /// Or takes the matrices from a file that an earlier start packed.
    init(
        _ checkpoint: Checkpoint, precision: ModelPrecision, workers: Workers, loading: WeightLoading
    ) throws(CheckpointError) {
        let plan = try PackingPlan(checkpoint, precision)
        var cache: PackedCache?
        if let location = loading.cache {
            cache = try PackedCache(location, checkpoint, plan, workers, report: loading.report)
        }
        let packed = cache?.load()
        let packer = try WeightPacker(checkpoint, plan, workers, packed: packed) {
            loading.report(.progress(.packing, done: $0, total: plan.byteCount))
        }
        let configuration = checkpoint.configuration
        let reader = WeightReader(packer: packer, configuration: configuration)
        var (layers, head): ([LayerWeights], PackedMatrix?) = ([], nil)
        var matrices: [TensorRole: PackedMatrix] = [:]
        for group in plan.groups {
            for (role, matrix) in zip(group.roles, try packer.pack(group)) { matrices[role] = matrix }
            if let layer = group.layer, group.roles.contains(.down) {
                layers.append(try reader.layer(layer, matrices))
            }
            head = matrices[.head]
        }
        guard let head else { preconditionFailure("a plan without a head") }
        self.layers = layers
        self.head = head
        embedding = configuration.tiedEmbeddings ? .head : .table(try packer.table(.embedding))
        positionEmbedding = configuration.positions == .learned ? try packer.table(.positionEmbedding) : nil
        finalNorm = try reader.norm(.finalNorm, .finalNormBias, layer: nil)
        frequencyFactors = try reader.frequencyFactors()
        self.checkpoint = checkpoint
        self.packer = packer
        if packed == nil { cache?.store(packer.panels) }
    }
}

/// Puts matrices that were packed and vectors together.
private struct WeightReader {
    let packer: WeightPacker
    let configuration: ModelConfiguration

    func norm(_ role: TensorRole, _ biasRole: TensorRole, layer: Int?) throws(CheckpointError) -> NormWeights {
        var bias: UnsafePointer<Float>?
        if case .layer = configuration.norm { bias = try packer.vector(biasRole, layer: layer) }
        return NormWeights(weight: try packer.vector(role, layer: layer), bias: bias)
    }

    func frequencyFactors() throws(CheckpointError) -> [Float]? {
        guard case .rotary(let rotary) = configuration.positions, rotary.scaling == .frequencyFactors else {
            return nil
        }
        return Array(UnsafeBufferPointer(start: try packer.vector(.frequencyFactors), count: rotary.dimension / 2))
    }

    func layer(_ index: Int, _ matrices: [TensorRole: PackedMatrix]) throws(CheckpointError) -> LayerWeights {
        func projection(
            _ role: TensorRole, _ biasRole: TensorRole, _ kind: Biases
        ) throws(CheckpointError) -> Projection {
            guard let matrix = matrices[role] else { preconditionFailure("\(role) was not packed") }
            return Projection(
                matrix: matrix,
                bias: configuration.biases.contains(kind) ? try packer.vector(biasRole, layer: index) : nil)
        }
        let normsHeads = configuration.queryKeyNorm == .perHead
        return LayerWeights(
            attentionNorm: try norm(.attentionNorm, .attentionNormBias, layer: index),
            query: try projection(.query, .queryBias, .attentionQKV),
            key: try projection(.key, .keyBias, .attentionQKV),
            value: try projection(.value, .valueBias, .attentionQKV),
            attentionOutput: try projection(.attentionOutput, .attentionOutputBias, .attentionOutput),
            queryNorm: normsHeads ? try packer.vector(.queryNorm, layer: index) : nil,
            keyNorm: normsHeads ? try packer.vector(.keyNorm, layer: index) : nil,
            feedForwardNorm: try norm(.feedForwardNorm, .feedForwardNormBias, layer: index),
            gate: configuration.feedForward.isGated ? try projection(.gate, .gateBias, .feedForward) : nil,
            up: try projection(.up, .upBias, .feedForward), down: try projection(.down, .downBias, .feedForward))
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
