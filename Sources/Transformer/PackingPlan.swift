import Checkpoints
import InferenceTypes
import Kernels

/// Which matrices are packed, and as what: known before any byte of them is touched.
///
/// Matrices of floats may be quantised on the way. Matrices that read one input in one pass have to read it in one form:
/// where their types disagree on it, floats and bytes in one file, all of them become floats.
struct PackingPlan {
    struct Group {
        let roles: [TensorRole]
        /// What each is packed from.
        let types: [ElementType]
        /// Nil for what exists once.
        let layer: Int?
        let byteCount: Int
    }

    let groups: [Group]
    /// Bytes of all panels.
    let byteCount: Int

    /// - Throws: where a weight is missing.
    init(_ checkpoint: Checkpoint, _ precision: ModelPrecision) throws(CheckpointError) {
        let configuration = checkpoint.configuration
        let passes: [[TensorRole]] = [
            [.query, .key, .value], [.attentionOutput], configuration.feedForward.isGated ? [.gate, .up] : [.up],
            [.down],
        ]
        var groups: [Group] = []
        for layer in 0..<configuration.layerCount {
            for roles in passes { groups.append(try Self.group(roles, layer: layer, checkpoint, precision)) }
        }
        groups.append(try Self.group([.head], layer: nil, checkpoint, precision))
        self.groups = groups
        byteCount = groups.reduce(0) { $0 + $1.byteCount }
    }

    private static func group(
        _ roles: [TensorRole], layer: Int?, _ checkpoint: Checkpoint, _ precision: ModelPrecision
    ) throws(CheckpointError) -> Group {
        var views: [WeightView] = []
        for role in roles { views.append(try checkpoint.required(role, in: layer)) }
        var types = views.map { $0.packedType(precision) }
        if Set(types.map(PackedMatrix.inputKind)).count > 1 { types = types.map { _ in .f32 } }
        let byteCount = zip(views, types).reduce(0) { sum, part in
            let (view, type) = part
            return sum + PackedMatrix.byteCount(type, rowCount: view.outputCount, columnCount: view.inputCount)
        }
        return Group(roles: roles, types: types, layer: layer, byteCount: byteCount)
    }

    /// Matrices that are quantised while they are packed.
    func quantizedCount(_ checkpoint: Checkpoint) throws(CheckpointError) -> Int {
        var count = 0
        for group in groups {
            for (role, type) in zip(group.roles, group.types) where type.blockElementCount > 1 {
                if try checkpoint.required(role, in: group.layer).elementType != type { count += 1 }
            }
        }
        return count
    }
}

extension WeightView {
    /// The type that its panels are made from, if nothing that reads the same input disagrees.
    fileprivate func packedType(_ precision: ModelPrecision) -> ElementType {
        let isBlocked = elementType.blockElementCount > 1
        if precision.compute == .f32 { return .f32 }
        if !isBlocked, let type = precision.quantize?.fitting(inputCount) { return type }
        // What lies transposed has no blocks along its inputs.
        return isBlocked && layout == .transposed ? .f32 : elementType
    }
}

extension ElementType {
    /// This type, or Q8_0 where rows are no whole blocks of it; nil where they are of neither.
    fileprivate func fitting(_ columnCount: Int) -> ElementType? {
        [self, .q8_0].first { columnCount % $0.blockElementCount == 0 }
    }
}

extension Checkpoint {
    func required(_ role: TensorRole, in layer: Int?) throws(CheckpointError) -> WeightView {
        guard let layer else { return try required(role) }
        return try required(role, layer: layer)
    }
}
