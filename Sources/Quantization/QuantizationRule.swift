package import Checkpoints
package import InferenceTypes

/// Which element type each tensor gets.
///
/// Matrices that are multiplied with, and the embedding, get the wanted type. Vectors (norms, biases, frequency factors)
/// and position embeddings stay F32: they are small, and each of their elements reaches every token. The head, which is
/// often the embedding too, gets Q6_K where fewer bits are wanted, unless the rule is pure: an error there is an error of
/// the logits themselves. Rows that do not fill a type's blocks fall back to a type of more bits.
package struct QuantizationRule: Sendable {
    package enum Head: Sendable {
        /// At least Q6_K.
        case finer
        /// As every other matrix.
        case same
    }

    package let type: ElementType
    package let head: Head

    package init(_ type: ElementType, head: Head = .finer) {
        self.type = type
        self.head = head
    }

    /// - Parameter isTied: whether the embedding is the head too.
    package func elementType(of tensor: GGUFExport.Tensor, isTied: Bool) -> ElementType {
        guard isMatrix(tensor) else { return .f32 }
        let isHead = tensor.role == .head || isTied && tensor.role == .embedding
        let wanted = isHead && head == .finer && type.isFewerBits(than: .q6_K) ? .q6_K : type
        return Self.fitting(wanted, columnCount: tensor.shape.last ?? 0)
    }

    /// Whether the tensor is one that the wanted type is for.
    package func isMatrix(_ tensor: GGUFExport.Tensor) -> Bool {
        tensor.shape.count == 2 && tensor.role != .positionEmbedding && tensor.role != .frequencyFactors
    }

    /// The type, or the next of more bits whose blocks fill rows of this length.
    static func fitting(_ type: ElementType, columnCount: Int) -> ElementType {
        var type = type
        while columnCount % type.blockElementCount != 0 { type = fallback(type) }
        return type
    }

    /// - Source: what llama.cpp's own quantiser takes, but for types of 32, which it refuses.
    private static func fallback(_ type: ElementType) -> ElementType {
        switch type {
        case .q4_K: .q5_0
        case .q5_K: .q5_1
        case .q6_K: .q8_0
        default: .f16
        }
    }
}

extension ElementType {
    /// The name on a command line: `q4_k`.
    package var optionName: String { name.lowercased() }

    func isFewerBits(than other: ElementType) -> Bool {
        blockByteCount * other.blockElementCount < other.blockByteCount * blockElementCount
    }

    /// - Source: `general.file_type` of the GGUF specification; K types as their small mixes.
    var fileTypeNumber: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q4_1: 3
        case .q8_0: 7
        case .q5_0: 8
        case .q5_1: 9
        case .q4_K: 14
        case .q5_K: 16
        case .q6_K: 18
        case .bf16: 32
        }
    }
}
