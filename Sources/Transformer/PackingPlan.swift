import Checkpoints
import InferenceTypes
import Kernels

/// Which matrices are packed, and as what: known before any byte of them is touched.
///
/// Matrices that read one input in one pass have to read it in one form. Where their types disagree on it, floats and
/// bytes in one file, all of them become floats.
struct PackingPlan {
    struct Group {
        let roles: [TensorRole]
        /// Nil for what exists once.
        let layer: Int?
        let isWidened: Bool
        let byteCount: Int
    }

    let groups: [Group]
    /// Bytes of all panels.
    let byteCount: Int

    /// - Throws: where a weight is missing.
    init(_ checkpoint: Checkpoint, compute: ComputeType) throws(CheckpointError) {
        let configuration = checkpoint.configuration
        let passes: [[TensorRole]] = [
            [.query, .key, .value], [.attentionOutput], configuration.feedForward.isGated ? [.gate, .up] : [.up],
            [.down],
        ]
        var groups: [Group] = []
        for layer in 0..<configuration.layerCount {
            for roles in passes { groups.append(try Self.group(roles, layer: layer, checkpoint, compute)) }
        }
        groups.append(try Self.group([.head], layer: nil, checkpoint, compute))
        self.groups = groups
        byteCount = groups.reduce(0) { $0 + $1.byteCount }
    }

    private static func group(
        _ roles: [TensorRole], layer: Int?, _ checkpoint: Checkpoint, _ compute: ComputeType
    ) throws(CheckpointError) -> Group {
        var views: [WeightView] = []
        for role in roles { views.append(try checkpoint.required(role, in: layer)) }
        let kinds = Set(views.map { PackedMatrix.inputKind($0.packedType(isWidened: false)) })
        let isWidened = kinds.count > 1 || compute == .f32
        let byteCount = views.reduce(0) {
            $0
                + PackedMatrix.byteCount(
                    $1.packedType(isWidened: isWidened), rowCount: $1.outputCount, columnCount: $1.inputCount)
        }
        return Group(roles: roles, layer: layer, isWidened: isWidened, byteCount: byteCount)
    }
}

extension WeightView {
    /// The type that its panels are made from. What lies transposed has no blocks along its inputs.
    func packedType(isWidened: Bool) -> ElementType {
        let isBlocked = elementType.blockElementCount > 1
        return isWidened || (layout == .transposed && isBlocked) ? .f32 : elementType
    }
}

extension Checkpoint {
    func required(_ role: TensorRole, in layer: Int?) throws(CheckpointError) -> WeightView {
        guard let layer else { return try required(role) }
        return try required(role, layer: layer)
    }
}
