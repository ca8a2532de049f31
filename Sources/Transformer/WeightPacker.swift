import Checkpoints
import InferenceTypes
import Kernels
import Quantization

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
        for (role, type) in zip(group.roles, group.types) {
            matrices.append(try pack(checkpoint.required(role, in: group.layer), as: type))
        }
        return matrices
    }

    private func pack(_ view: WeightView, as type: ElementType) throws(CheckpointError) -> PackedMatrix {
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
            return try packCopy(of: view, as: type, into: base + start)
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
    ) throws(CheckpointError) -> PackedMatrix {
        let (rows, columns) = (view.outputCount, view.inputCount)
        let quantizer = type.blockElementCount > 1 ? RowQuantizer(type) : nil
        let copiedType = quantizer == nil ? type : .f32
        let copy = Self.rows(min(rows, Self.copiedRowCount), columns, of: copiedType)
        defer { copy.deallocate() }
        let earlier = packedByteCount - PackedMatrix.byteCount(type, rowCount: rows, columnCount: columns)
        for start in stride(from: 0, to: rows, by: Self.copiedRowCount) {
            // A vocabulary that is quantised takes a while.
            if start > 0 { progress(earlier + PackedMatrix.byteCount(type, rowCount: start, columnCount: columns)) }
            let outputs = start..<min(start + Self.copiedRowCount, rows)
            let part = UnsafeMutableRawBufferPointer(
                rebasing: copy[..<(copy.count / min(rows, Self.copiedRowCount) * outputs.count)])
            if view.layout == .rowsAreOutputs {
                widen(view, outputs, into: part)
            } else {
                transpose(view, outputs, as: copiedType, into: part)
            }
            let target = memory + PackedMatrix.byteCount(type, rowCount: start, columnCount: columns)
            guard let quantizer else {
                pack(UnsafeRawBufferPointer(part), type, rowCount: outputs.count, columns, into: target)
                continue
            }
            let quants = Self.rows(outputs.count, columns, of: type)
            defer { quants.deallocate() }
            guard quantizer.encode(UnsafeRawBufferPointer(part), into: quants, rowCount: outputs.count, workers) else {
                throw CheckpointError(
                    file: checkpoint.fileName, section: "tensors",
                    message: "\(view.tensor.name) holds NaN or infinity: it cannot be quantised")
            }
            pack(UnsafeRawBufferPointer(quants), type, rowCount: outputs.count, columns, into: target)
        }
        return PackedMatrix(memory, elementType: type, rowCount: rows, columnCount: columns)
    }

    private static func rows(_ count: Int, _ columnCount: Int, of type: ElementType) -> UnsafeMutableRawBufferPointer {
        guard let byteCount = type.byteCount(elementCount: columnCount) else { preconditionFailure("half a block") }
        return .allocate(byteCount: count * byteCount, alignment: 64)
    }

    private func pack(
        _ bytes: UnsafeRawBufferPointer, _ type: ElementType, rowCount: Int, _ columnCount: Int,
        into memory: UnsafeMutableRawPointer
    ) {
        _ = workers.pack(
            Matrix(bytes: bytes, elementType: type, rowCount: rowCount, columnCount: columnCount), into: memory)
    }

    private func widen(_ view: WeightView, _ outputs: Range<Int>, into copy: UnsafeMutableRawBufferPointer) {
        let rowByteCount = view.bytes.count / view.outputCount
        let (type, columns) = (view.elementType, view.inputCount)
        let bytes = view.bytes
        let floats = copy.bindMemory(to: Float.self)
        workers.forEach(outputs.count) { place in
            let start = (outputs.lowerBound + place) * rowByteCount
            dequantize(
                type, UnsafeRawBufferPointer(rebasing: bytes[start..<start + rowByteCount]),
                into: UnsafeMutableBufferPointer(rebasing: floats[place * columns..<(place + 1) * columns]))
        }
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

extension RowQuantizer {
    /// Turns rows of floats into rows of this type, all threads together; false where one holds NaN or infinity.
    fileprivate func encode(
        _ floats: UnsafeRawBufferPointer, into bytes: UnsafeMutableRawBufferPointer, rowCount: Int, _ workers: Workers
    ) -> Bool {
        let floats = floats.bindMemory(to: Float.self)
        let (columns, rowByteCount) = (floats.count / rowCount, bytes.count / rowCount)
        return withUnsafeTemporaryAllocation(of: Bool.self, capacity: rowCount) { areFinite in
            workers.forEach(rowCount) { index in
                let row = UnsafeBufferPointer(rebasing: floats[index * columns..<(index + 1) * columns])
                // Zero times anything finite is zero.
                areFinite[index] = row.reduce(0) { $0 + $1 * 0 } == 0
                let place = index * rowByteCount..<(index + 1) * rowByteCount
                encode(row, into: UnsafeMutableRawBufferPointer(rebasing: bytes[place]))
            }
            return areFinite.allSatisfy(\.self)
        }
    }
}
