import Checkpoints
import InferenceTypes
import Kernels

/// Reads rows of a tensor as floats, in the order that they are to be written in.
struct FloatRowReader {
    private let source: GGUFExport.Source
    private let rowCount: Int
    private let columnCount: Int

    init(_ tensor: GGUFExport.Tensor) {
        source = tensor.source
        columnCount = tensor.shape.last ?? 1
        rowCount = tensor.shape.dropLast().reduce(1, *)
    }

    /// - Requires: `output` has `rows.count` rows.
    func read(_ rows: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) {
        precondition(output.count == rows.count * columnCount && rows.upperBound <= rowCount)
        switch source {
        case .values(let values):
            for index in output.indices { output[index] = values[rows.lowerBound * columnCount + index] }
        case .rows(let view):
            view.withBytes { bytes in
                let first = rows.lowerBound * view.rowByteCount
                let last = rows.upperBound * view.rowByteCount
                Self.floats(view.elementType, UnsafeRawBufferPointer(rebasing: bytes[first..<last]), output)
            }
        case .interleaved(let view, let dimension): readInterleaved(view, dimension, rows, output)
        case .transposed(let view): readTransposed(view, rows, output)
        }
    }

    /// A vector has its elements turned, a matrix its rows.
    private func readInterleaved(
        _ view: TensorView, _ dimension: Int, _ rows: Range<Int>, _ output: UnsafeMutableBufferPointer<Float>
    ) {
        let isVector = view.shape.count == 1
        let width = isVector ? 1 : columnCount
        let outputs = isVector ? 0..<columnCount : rows
        guard let byteCount = view.elementType.byteCount(elementCount: width) else { return }
        view.withBytes { bytes in
            for (place, index) in outputs.enumerated() {
                let (head, element) = (index / dimension, index % dimension)
                let from = head * dimension + element % 2 * (dimension / 2) + element / 2
                let source = bytes[from * byteCount..<(from + 1) * byteCount]
                Self.floats(
                    view.elementType, UnsafeRawBufferPointer(rebasing: source),
                    UnsafeMutableBufferPointer(rebasing: output[place * width..<(place + 1) * width]))
            }
        }
    }

    /// The tensor is `[inputs, outputs]`: a row here is a column there.
    private func readTransposed(_ view: TensorView, _ rows: Range<Int>, _ output: UnsafeMutableBufferPointer<Float>) {
        guard let elementByteCount = view.elementType.byteCount(elementCount: 1) else { return }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.count) { part in
            view.withBytes { bytes in
                for input in 0..<columnCount {
                    let first = (input * rowCount + rows.lowerBound) * elementByteCount
                    let range = first..<first + rows.count * elementByteCount
                    Self.floats(view.elementType, UnsafeRawBufferPointer(rebasing: bytes[range]), part)
                    for row in 0..<rows.count { output[row * columnCount + input] = part[row] }
                }
            }
        }
    }

    /// The wide types here, in loops that the compiler makes quick; blocks by the kernels' own reference.
    private static func floats(
        _ type: ElementType, _ bytes: UnsafeRawBufferPointer, _ output: UnsafeMutableBufferPointer<Float>
    ) {
        guard let source = bytes.baseAddress, let target = output.baseAddress else { return }
        switch type {
        case .f32: UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: bytes.count)
        case .bf16:
            for index in 0..<output.count {
                let bits = UInt16(littleEndian: source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
                target[index] = Float(bitPattern: UInt32(bits) << 16)
            }
        case .f16:
            for index in 0..<output.count {
                let bits = UInt16(littleEndian: source.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
                target[index] = Half.value(bits)
            }
        default: dequantize(type, bytes, into: output)
        }
    }
}
