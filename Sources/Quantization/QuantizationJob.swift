package import Checkpoints
import InferenceTypes

/// A checkpoint on its way into a GGUF file: plans the tensors' types, then reads, changes, encodes and writes one tensor
/// after the other, each by all threads.
package struct QuantizationJob {
    /// A tensor and what it becomes.
    package struct Step: Sendable {
        package let tensor: GGUFExport.Tensor
        package let entry: GGUFTensorEntry
        /// Whether rows that do not fill the wanted type's blocks made it another.
        package let fellBack: Bool
    }

    /// What became of a tensor.
    package struct Outcome: Sendable {
        package let step: Step
        package let error: RoundingError
    }

    package let steps: [Step]
    package let rule: QuantizationRule
    private let threadCount: Int
    private let transform: WeightTransform?

    /// Floats in memory at a time, where no transform wants a whole matrix.
    private static let floatCount = 4 << 20

    /// - Parameters:
    ///   - isTied: whether the embedding is the head too.
    ///   - transform: changes each matrix before it is encoded.
    /// - Throws: when a tensor has no place in a GGUF file.
    package init(
        _ tensors: [GGUFExport.Tensor], rule: QuantizationRule, isTied: Bool, threadCount: Int,
        transform: WeightTransform? = nil
    ) throws(QuantizationError) {
        self.rule = rule
        self.threadCount = threadCount
        self.transform = transform
        var steps: [Step] = []
        for tensor in tensors {
            let type = rule.elementType(of: tensor, isTied: isTied)
            guard let entry = GGUFTensorEntry(name: tensor.name, elementType: type, shape: tensor.shape) else {
                throw QuantizationError(
                    "tensor \(tensor.name) of shape \(tensor.shape) cannot be written as \(type.name)")
            }
            let fellBack = rule.isMatrix(tensor) && (tensor.shape.last ?? 0) % rule.type.blockElementCount != 0
            steps.append(Step(tensor: tensor, entry: entry, fellBack: fellBack))
        }
        self.steps = steps
    }

    /// What the file says of itself.
    package var entries: [GGUFEntry] {
        [
            GGUFEntry("general.file_type", .uint32(rule.type.fileTypeNumber)),
            GGUFEntry("general.quantization_version", .uint32(2)),
        ]
    }

    /// Writes all tensors.
    ///
    /// - Parameter progress: hears of each tensor after it is written.
    /// - Throws: `QuantizationError`, `CheckpointError` of the writer, and what the transform throws.
    package func write(into writer: GGUFWriter, progress: (Outcome) -> Void) throws -> [Outcome] {
        var outcomes: [Outcome] = []
        for step in steps {
            let outcome = Outcome(step: step, error: try write(step, into: writer))
            outcomes.append(outcome)
            progress(outcome)
        }
        return outcomes
    }

    private func write(_ step: Step, into writer: GGUFWriter) throws -> RoundingError {
        let columnCount = step.tensor.shape.last ?? 1
        let rowCount = step.tensor.elementCount / columnCount
        let isWhole = transform != nil && step.tensor.shape.count == 2
        let chunk = isWhole ? rowCount : max(min(Self.floatCount / columnCount, rowCount), 1)
        let rowByteCount = step.entry.byteCount / rowCount
        let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: chunk * columnCount)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: chunk * rowByteCount, alignment: 64)
        defer {
            floats.deallocate()
            bytes.deallocate()
        }
        let encoded = EncodedRows(
            type: step.entry.elementType, tensorName: step.tensor.name, columnCount: columnCount,
            threadCount: threadCount)
        let reader = FloatRowReader(step.tensor)
        var error = RoundingError()
        for start in stride(from: 0, to: rowCount, by: chunk) {
            let rows = start..<min(start + chunk, rowCount)
            let part = UnsafeMutableBufferPointer(rebasing: floats[0..<rows.count * columnCount])
            try encoded.read(reader, rows, into: part)
            if isWhole, let transform {
                try transform(WeightMatrix(values: part, outputCount: rowCount, inputCount: columnCount), step.tensor)
            }
            let written = UnsafeMutableRawBufferPointer(rebasing: bytes[0..<rows.count * rowByteCount])
            error.add(try encoded.encode(part, into: written))
            try writer.append(UnsafeRawBufferPointer(written))
        }
        step.tensor.forgetPages()
        return error
    }
}

extension GGUFExport.Tensor {
    /// Lets the system have the memory of the elements back: they are not read again.
    fileprivate func forgetPages() {
        switch source {
        case .rows(let view), .interleaved(let view, _), .transposed(let view): view.forgetPages()
        case .values: break
        }
    }
}
