import CKernels
import InferenceTypes
import Kernels
import TestSupport
import Testing

/// A matrix as it lies in a file and in panels, its rows of activations, and what the plain reference makes of both.
///
/// Memory of its own at the C seam, so that a call can be made with any part of the rows and any stride.
final class PackedCase {
    let type: ElementType
    let (outputs, columns, rows): (Int, Int, Int)
    /// `[rows, outputs]`.
    let expected: [Float]
    let bias: [Float]
    private let panels, input: UnsafeMutableRawBufferPointer
    private let packed: UnsafeMutablePointer<nt_packed>
    private let kind: nt_row_kind

    var rowByteCount: Int { nt_row_bytes(kind, Int64(columns)) }

    /// - Parameters:
    ///   - bytes: the matrix as it lies in a file.
    ///   - activations: floats, `[rows, columns]`.
    init(_ type: ElementType, outputs: Int, columns: Int, bytes: [UInt8], activations: [Float], bias: [Float]) throws {
        let rows = activations.count / columns
        let kind = nt_packed_input(type.rawValue)
        let panelByteCount = nt_packed_panel_bytes(type.rawValue, Int64(columns))
        let rowByteCount = nt_row_bytes(kind, Int64(columns))
        let panels = UnsafeMutableRawBufferPointer.allocate(
            byteCount: (outputs + 31) / 32 * panelByteCount, alignment: 64)
        // What packing does not write is found.
        panels.initializeMemory(as: UInt8.self, repeating: 0xA5)
        let input = UnsafeMutableRawBufferPointer.allocate(byteCount: rows * rowByteCount, alignment: 64)
        var sums = [Float](repeating: 0, count: rows * outputs)
        let workers = try #require(nt_workers_create(2, 0, nil))
        defer { nt_workers_destroy(workers) }
        for row in 0..<rows {
            activations[(row * columns)...].withUnsafeBufferPointer {
                nt_reference_convert(
                    kind, $0.baseAddress, Int64(columns), input.baseAddress.map { $0 + row * rowByteCount })
            }
        }
        bytes.withUnsafeBytes { raw in
            var matrix = nt_matrix(
                data: raw.baseAddress, type: type.rawValue, rows: Int64(outputs), columns: Int64(columns),
                row_bytes: raw.count / outputs)
            var view = nt_rows(
                data: input.baseAddress, kind: kind, columns: Int64(columns), row_bytes: rowByteCount)
            nt_pack(workers, &matrix, panels.baseAddress)
            nt_reference_project(&matrix, bias, &view, Int64(rows), &sums, Int64(outputs), NT_STORE)
        }
        packed = .allocate(capacity: 1)
        packed.initialize(
            to: nt_packed(
                panels: panels.baseAddress, type: type.rawValue, rows: Int64(outputs), columns: Int64(columns),
                panel_bytes: panelByteCount))
        (self.type, self.bias, self.kind) = (type, bias, kind)
        (self.outputs, self.columns, self.rows) = (outputs, columns, rows)
        (self.panels, self.input) = (panels, input)
        expected = sums
    }

    /// Random weights and activations, with rows that are mostly small, or nothing at all.
    convenience init(random type: ElementType, outputs: Int, columns: Int, rows: Int, seed: UInt64) throws {
        var generator = TestGenerator(seed: seed)
        let bytes = try randomMatrixBytes(type, rows: outputs, columns: columns, using: &generator)
        var activations = generator.floats(rows * columns, in: -3...3)
        for index in stride(from: 0, to: activations.count, by: 41) { activations[index] *= 100 }
        if rows > 3 { activations.replaceSubrange(3 * columns..<4 * columns, with: repeatElement(0, count: columns)) }
        try self.init(
            type, outputs: outputs, columns: columns, bytes: bytes, activations: activations,
            bias: generator.floats(outputs))
    }

    deinit {
        panels.deallocate()
        input.deallocate()
        packed.deallocate()
    }

    func product(into output: UnsafeMutablePointer<Float>?, stride: Int, bias: UnsafePointer<Float>?) -> nt_product {
        nt_product(w: packed, bias: bias, out: output, out_stride: Int64(stride), store: NT_STORE)
    }

    func inputRows(from row: Int) -> nt_rows {
        nt_rows(
            data: input.baseAddress.map { $0 + row * rowByteCount }, kind: kind, columns: Int64(columns),
            row_bytes: rowByteCount)
    }

    /// What a kernel set makes of some of the rows. Between rows of the output lie floats that nobody may touch.
    func found(_ workers: OpaquePointer, rows: Range<Int>) -> [Float] {
        let (gap, untouched) = (3, Float(-77))
        let stride = outputs + gap
        var output = [Float](repeating: untouched, count: rows.count * stride)
        output.withUnsafeMutableBufferPointer { output in
            bias.withUnsafeBufferPointer { bias in
                var list = product(into: output.baseAddress, stride: stride, bias: bias.baseAddress)
                var view = inputRows(from: rows.lowerBound)
                nt_project(workers, &list, 1, &view, Int64(rows.count))
            }
        }
        #expect(
            rows.indices.allSatisfy { index in
                output[(index - rows.lowerBound) * stride + outputs..<(index - rows.lowerBound + 1) * stride]
                    .allSatisfy { $0 == untouched }
            })
        return rows.indices.flatMap { index in
            output[(index - rows.lowerBound) * stride..<(index - rows.lowerBound) * stride + outputs]
        }
    }

    func expected(rows: Range<Int>) -> [Float] {
        Array(expected[rows.lowerBound * outputs..<rows.upperBound * outputs])
    }
}

/// A pool at the C seam with one of the sets that this machine has.
final class PackedMachine: CustomStringConvertible, Sendable {
    static let all: [PackedMachine] = InstructionSet.allCases.filter(\.isAvailable)
        .flatMap { set in [1, 2].map { PackedMachine(set.rawValue, threadCount: $0) } }

    let features: String
    let threadCount: Int

    var description: String { "\(features), \(threadCount) threads" }

    init(_ features: String, threadCount: Int) {
        self.features = features
        self.threadCount = threadCount
    }

    func withWorkers<R>(_ body: (OpaquePointer) throws -> R) throws -> R {
        let workers = try #require(nt_workers_create(Int32(threadCount), 1024, features))
        defer { nt_workers_destroy(workers) }
        return try body(workers)
    }
}
