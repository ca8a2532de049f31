import Checkpoints
import InferenceTypes
import Kernels

/// Packs a checkpoint's matrices one after the other into one run of memory, and turns its vectors into floats.
final class WeightPacker {
    private let checkpoint: Checkpoint
    private let workers: Workers
    private let pages: WeightPages
    private var packedByteCount = 0
    private var arenas: [Arena] = []

    /// - Throws: `CheckpointError` where there is not so much memory.
    init(_ checkpoint: Checkpoint, _ plan: PackingPlan, _ workers: Workers) throws(CheckpointError) {
        guard let pages = WeightPages(byteCount: plan.byteCount) else {
            throw CheckpointError(
                file: checkpoint.fileName, section: "weights", message: "no memory for \(plan.byteCount) bytes")
        }
        self.checkpoint = checkpoint
        self.workers = workers
        self.pages = pages
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
        precondition(packedByteCount <= pages.bytes.count, "more weights than planned")
        guard let base = pages.bytes.baseAddress else { preconditionFailure("no memory for weights") }
        // No copy of the file stays beside the packed one.
        defer { view.tensor.forgetPages() }
        return withMatrix(of: view, as: type) { workers.pack($0, into: base + start) }
    }

    /// Calls `body` with the view as a matrix whose rows are outputs: where it lies, or as a copy for the time of the call.
    private func withMatrix<R>(of view: WeightView, as type: ElementType, _ body: (Matrix) -> R) -> R {
        let (rows, columns) = (view.outputCount, view.inputCount)
        if view.layout == .rowsAreOutputs, type == view.elementType {
            return body(Matrix(bytes: view.bytes, elementType: type, rowCount: rows, columnCount: columns))
        }
        guard let byteCount = type.byteCount(elementCount: rows * columns) else {
            preconditionFailure("floats without a size")
        }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 64)
        defer { copy.deallocate() }
        if view.layout == .rowsAreOutputs {
            dequantize(view.elementType, view.bytes, into: copy.bindMemory(to: Float.self))
        } else {
            transpose(view, as: type, into: copy)
        }
        return body(
            Matrix(bytes: UnsafeRawBufferPointer(copy), elementType: type, rowCount: rows, columnCount: columns))
    }

    /// `[inputs, all outputs]` to `[outputs, inputs]`.
    private func transpose(_ view: WeightView, as type: ElementType, into copy: UnsafeMutableRawBufferPointer) {
        guard type == view.elementType else {
            return transpose(view, as: Float.self, into: copy) { bytes, row in
                dequantize(view.elementType, bytes, into: row)
            }
        }
        if type == .f32 {
            transpose(view, as: UInt32.self, into: copy) { UnsafeMutableRawBufferPointer($1).copyMemory(from: $0) }
        } else {
            transpose(view, as: UInt16.self, into: copy) { UnsafeMutableRawBufferPointer($1).copyMemory(from: $0) }
        }
    }

    private func transpose<Element: Numeric>(
        _ view: WeightView, as: Element.Type, into copy: UnsafeMutableRawBufferPointer,
        read: (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Element>) -> Void
    ) {
        let target = copy.bindMemory(to: Element.self)
        var row = [Element](repeating: 0, count: view.tensor.columnCount)
        let rowByteCount = view.tensor.rowByteCount
        for input in 0..<view.inputCount {
            let bytes = UnsafeRawBufferPointer(
                rebasing: view.bytes[input * rowByteCount..<(input + 1) * rowByteCount])
            row.withUnsafeMutableBufferPointer { read(bytes, $0) }
            for output in 0..<view.outputCount {
                target[output * view.inputCount + input] = row[view.outputs.lowerBound + output]
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
