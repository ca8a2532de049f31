import Checkpoints
import InferenceTypes
import Kernels

/// Packs a checkpoint's matrices one after the other into one run of memory, or finds them in one where they lie already,
/// and turns its vectors into floats.
final class WeightPacker {
    private let checkpoint: Checkpoint
    private let workers: Workers
    private let memory: Memory
    private let progress: (Int) -> Void
    private var packedByteCount = 0
    private var arenas: [Arena] = []

    private enum Memory {
        case empty(MemoryPages)
        case packed(MappedPages)
    }

    /// - Parameters:
    ///   - packed: All matrices, as this would pack them; nil to pack them.
    ///   - progress: Bytes that are packed, ascending up to the plan's.
    /// - Throws: `CheckpointError` where there is not so much memory.
    init(
        _ checkpoint: Checkpoint, _ plan: PackingPlan, _ workers: Workers, packed: MappedPages?,
        progress: @escaping (Int) -> Void
    ) throws(CheckpointError) {
        if let packed {
            precondition(packed.bytes.count == plan.byteCount, "packed by another plan")
            memory = .packed(packed)
        } else if let pages = MemoryPages(byteCount: plan.byteCount) {
            memory = .empty(pages)
        } else {
            throw CheckpointError(
                file: checkpoint.fileName, section: "weights", message: "no memory for \(plan.byteCount) bytes")
        }
        self.checkpoint = checkpoint
        self.workers = workers
        self.progress = progress
    }

    /// The panels of all matrices, valid while this lives.
    var panels: UnsafeRawBufferPointer {
        switch memory {
        case .empty(let pages): UnsafeRawBufferPointer(pages.bytes)
        case .packed(let pages): pages.bytes
        }
    }

    /// The matrices of a group, in the order of its roles.
    func pack(_ group: PackingPlan.Group) throws(CheckpointError) -> [PackedMatrix] {
        var matrices: [PackedMatrix] = []
        for role in group.roles {
            matrices.append(pack(try checkpoint.required(role, in: group.layer), isWidened: group.isWidened))
        }
        return matrices
    }

    private func pack(_ view: WeightView, isWidened: Bool) -> PackedMatrix {
        let type = view.packedType(isWidened: isWidened)
        let start = packedByteCount
        packedByteCount += PackedMatrix.byteCount(type, rowCount: view.outputCount, columnCount: view.inputCount)
        precondition(packedByteCount <= panels.count, "more weights than planned")
        guard let panels = panels.baseAddress else { preconditionFailure("no memory for weights") }
        guard case .empty(let pages) = memory, let base = pages.bytes.baseAddress else {
            return PackedMatrix(
                panels + start, elementType: type, rowCount: view.outputCount, columnCount: view.inputCount)
        }
        defer { progress(packedByteCount) }
        // No copy of the file stays beside the packed one.
        defer { view.tensor.forgetPages() }
        guard view.layout == .rowsAreOutputs, type == view.elementType else {
            return packCopy(of: view, as: type, into: base + start)
        }
        return workers.pack(
            Matrix(
                bytes: view.bytes, elementType: type, rowCount: view.outputCount, columnCount: view.inputCount),
            into: base + start)
    }

    /// Outputs that are copied at once, whole panels: a vocabulary as floats is half a gigabyte.
    private static let copiedRowCount = 1024

    /// What lies otherwise than it is packed goes through a copy, some outputs at a time.
    private func packCopy(
        of view: WeightView, as type: ElementType, into memory: UnsafeMutableRawPointer
    ) -> PackedMatrix {
        let (rows, columns) = (view.outputCount, view.inputCount)
        guard let rowByteCount = type.byteCount(elementCount: columns) else { preconditionFailure("half a block") }
        let copy = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(rows, Self.copiedRowCount) * rowByteCount, alignment: 64)
        defer { copy.deallocate() }
        for start in stride(from: 0, to: rows, by: Self.copiedRowCount) {
            let outputs = start..<min(start + Self.copiedRowCount, rows)
            let part = UnsafeMutableRawBufferPointer(rebasing: copy[..<(outputs.count * rowByteCount)])
            if view.layout == .rowsAreOutputs {
                widen(view, outputs, into: part.bindMemory(to: Float.self))
            } else {
                transpose(view, outputs, as: type, into: part)
            }
            _ = workers.pack(
                Matrix(
                    bytes: UnsafeRawBufferPointer(part), elementType: type, rowCount: outputs.count,
                    columnCount: columns),
                into: memory + PackedMatrix.byteCount(type, rowCount: start, columnCount: columns))
        }
        return PackedMatrix(memory, elementType: type, rowCount: rows, columnCount: columns)
    }

    private func widen(
        _ view: WeightView, _ outputs: Range<Int>, into floats: UnsafeMutableBufferPointer<Float>
    ) {
        let rowByteCount = view.bytes.count / view.outputCount
        let bytes = view.bytes[outputs.lowerBound * rowByteCount..<outputs.upperBound * rowByteCount]
        dequantize(view.elementType, UnsafeRawBufferPointer(rebasing: bytes), into: floats)
    }

    /// `[inputs, all outputs]` to `[outputs, inputs]`.
    private func transpose(
        _ view: WeightView, _ outputs: Range<Int>, as type: ElementType, into copy: UnsafeMutableRawBufferPointer
    ) {
        guard type == view.elementType else {
            return transpose(view, outputs, as: Float.self, into: copy) { bytes, row in
                dequantize(view.elementType, bytes, into: row)
            }
        }
        if type == .f32 {
            transpose(view, outputs, as: UInt32.self, into: copy) {
                UnsafeMutableRawBufferPointer($1).copyMemory(from: $0)
            }
        } else {
            transpose(view, outputs, as: UInt16.self, into: copy) {
                UnsafeMutableRawBufferPointer($1).copyMemory(from: $0)
            }
        }
    }

    private func transpose<Element: Numeric>(
        _ view: WeightView, _ outputs: Range<Int>, as: Element.Type, into copy: UnsafeMutableRawBufferPointer,
        read: (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Element>) -> Void
    ) {
        let target = copy.bindMemory(to: Element.self)
        var row = [Element](repeating: 0, count: view.tensor.columnCount)
        let rowByteCount = view.tensor.rowByteCount
        for input in 0..<view.inputCount {
            let bytes = UnsafeRawBufferPointer(
                rebasing: view.bytes[input * rowByteCount..<(input + 1) * rowByteCount])
            row.withUnsafeMutableBufferPointer { read(bytes, $0) }
            for (place, output) in outputs.enumerated() {
                target[place * view.inputCount + input] = row[view.outputs.lowerBound + output]
            }
        }
    }

    func vector(_ role: TensorRole, layer: Int? = nil) throws(CheckpointError) -> UnsafePointer<Float> {
        let view = try checkpoint.required(role, in: layer)
        let arena = Arena(capacity: Arena.footprint(view.outputCount))
        arenas.append(arena)
        let floats = arena.allocate(view.outputCount)
        dequantize(
            view.elementType, view.bytes, into: UnsafeMutableBufferPointer(start: floats, count: view.outputCount))
        return UnsafePointer(floats)
    }

    /// A table that is gathered from where it lies.
    func table(_ role: TensorRole) throws(CheckpointError) -> Matrix {
        let view = try checkpoint.required(role)
        return Matrix(
            bytes: view.bytes, elementType: view.elementType, rowCount: view.outputCount, columnCount: view.inputCount)
    }
}
