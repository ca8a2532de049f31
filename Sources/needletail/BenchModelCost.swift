import Checkpoints
import InferenceTypes

/// What a step of a model reads and multiplies, counted from its tensors.
struct BenchModelCost: Sendable {
    /// Bytes of the matrices of all layers, and of the head, as they lie in the file.
    var layerByteCount = 0
    var headByteCount = 0
    /// Elements of the same.
    var layerParameterCount = 0
    var headParameterCount = 0
    /// Bytes of the matrices of each element type, the largest first.
    var types: [(type: ElementType, byteCount: Int)] = []

    init(_ checkpoint: Checkpoint) {
        let configuration = checkpoint.configuration
        for layer in 0..<configuration.layerCount {
            for role in TensorRole.allCases {
                guard let weight = checkpoint.weight(role, layer: layer), weight.inputCount > 1 else { continue }
                add(weight, to: \.layerByteCount, \.layerParameterCount)
            }
        }
        if let head = checkpoint.weight(.head) { add(head, to: \.headByteCount, \.headParameterCount) }
        types.sort { $0.byteCount > $1.byteCount }
    }

    private mutating func add(
        _ weight: WeightView, to bytes: WritableKeyPath<Self, Int>, _ parameters: WritableKeyPath<Self, Int>
    ) {
        let elementCount = weight.outputCount * weight.inputCount
        let byteCount = weight.elementType.byteCount(elementCount: elementCount) ?? 0
        self[keyPath: bytes] += byteCount
        self[keyPath: parameters] += elementCount
        if let index = types.firstIndex(where: { $0.type == weight.elementType }) {
            types[index].byteCount += byteCount
        } else {
            types.append((weight.elementType, byteCount))
        }
    }

    /// Bytes of weights that a step reads, however many rows it has.
    var stepByteCount: Int { layerByteCount + headByteCount }

    /// Operations of a step: every token goes through the layers, and every row that is decoded through the head.
    func operationCount(tokenCount: Int, rowCount: Int) -> Int {
        2 * (layerParameterCount * tokenCount + headParameterCount * rowCount)
    }

    /// What multiplies the most of it.
    var unit: Roofline.Unit {
        switch types.first?.type {
        case .bf16: .bf16
        case .f32, .f16, nil: .fp32
        default: .int8
        }
    }

    var summary: String {
        types.map { "\($0.type.name) \(Readable.bytes($0.byteCount))" }.joined(separator: ", ")
    }
}
