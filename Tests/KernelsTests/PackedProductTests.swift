import CKernels
import InferenceTypes
import Kernels
import TestSupport
import Testing

/// Packed weights against the plain references, which read them as they lie in a file, bit for bit.
@Suite("Packed weights")
struct PackedProductTests {
    /// A matrix in a file and in panels.
    private struct Weights {
        let bytes: [UInt8]
        let packed: PackedMatrix
        let pages: MemoryPages

        init(_ type: ElementType, rows: Int, columns: Int, _ workers: Workers, _ generator: inout TestGenerator) throws
        {
            bytes = try randomMatrixBytes(type, rows: rows, columns: columns, using: &generator)
            pages = try #require(
                MemoryPages(byteCount: PackedMatrix.byteCount(type, rowCount: rows, columnCount: columns)))
            let base = try #require(pages.bytes.baseAddress)
            packed = bytes.withUnsafeBytes {
                workers.pack(Matrix(bytes: $0, elementType: type, rowCount: rows, columnCount: columns), into: base)
            }
        }

        /// What the reference makes of rows that were converted.
        func reference(_ input: Rows, bias: [Float]?, onto output: [Float]) -> [Float] {
            var output = output
            bytes.withUnsafeBytes { raw in
                var view = nt_matrix(
                    data: raw.baseAddress, type: packed.elementType.rawValue, rows: Int64(packed.rowCount),
                    columns: Int64(packed.columnCount), row_bytes: raw.count / packed.rowCount)
                input.withRows { rows in
                    var rows = rows
                    nt_reference_project(
                        &view, bias, &rows, Int64(input.count), &output, Int64(packed.rowCount), NT_ADD)
                }
            }
            return output
        }
    }

    /// Rows of activations as weights of a kind read them, made by the reference.
    private final class Rows {
        let count: Int
        let active: ActivationRows
        private let memory: UnsafeMutableRawPointer
        private let rowByteCount: Int

        init(_ floats: [Float], _ kind: RowKind, columns: Int) {
            count = floats.count / columns
            rowByteCount = kind.rowByteCount(columnCount: columns)
            memory = .allocate(byteCount: max(1, count * rowByteCount), alignment: 64)
            memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: count * rowByteCount)
            active = ActivationRows(memory, kind: kind, rowCount: count, columnCount: columns)
            for row in 0..<count {
                floats[(row * columns)...].withUnsafeBufferPointer {
                    nt_reference_convert(
                        Self.raw(kind), $0.baseAddress, Int64(columns), memory + row * rowByteCount)
                }
            }
        }

        deinit { memory.deallocate() }

        var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: memory, count: count * rowByteCount)) }

        static func raw(_ kind: RowKind) -> nt_row_kind {
            switch kind {
            case .float32: NT_ROWS_F32
            case .bfloat16: NT_ROWS_BF16
            case .quantized8: NT_ROWS_Q8
            }
        }

        func withRows(_ body: (nt_rows) -> Void) {
            body(
                nt_rows(
                    data: memory, kind: Self.raw(active.kind), columns: Int64(active.columnCount),
                    row_bytes: rowByteCount))
        }
    }

    /// Batches, shapes and threads are `PackedInvarianceTests`'; this is the Swift face: several products, added to what is
    /// there.
    @Test(
        "Products of one pass are added to what is there, each with its bias or without",
        arguments: [ElementType.f32, .f16, .bf16, .q8_0, .q4_1])
    func products(type: ElementType) throws {
        var generator = TestGenerator(seed: 7)
        let (columns, outputs, others, rows) = (96, 33, 70, 13)
        let maker = try Workers(threadCount: 1, scratchFloatCount: 0)
        let weights = try Weights(type, rows: outputs, columns: columns, maker, &generator)
        let second = try Weights(type, rows: others, columns: columns, maker, &generator)
        let input = Rows(generator.floats(rows * columns), weights.packed.inputKind, columns: columns)
        let bias = generator.floats(outputs)
        let start = (generator.floats(rows * outputs), generator.floats(rows * others))
        let expected = (
            weights.reference(input, bias: bias, onto: start.0), second.reference(input, bias: nil, onto: start.1)
        )
        for machine in KernelMachine.all {
            let found = project(
                try machine.workers(scratch: 0), input, (weights.packed, second.packed), bias, start)
            #expect(found.0 == expected.0 && found.1 == expected.1, "\(machine)")
        }
    }

    private func project(
        _ workers: Workers, _ input: Rows, _ weights: (PackedMatrix, PackedMatrix), _ bias: [Float],
        _ start: ([Float], [Float])
    ) -> ([Float], [Float]) {
        var (first, second) = start
        first.withUnsafeMutableBufferPointer { a in
            second.withUnsafeMutableBufferPointer { b in
                bias.withUnsafeBufferPointer { bias in
                    let list = Projections([
                        Product(
                            weights.0, bias: bias.baseAddress,
                            into: FloatRows(a.baseAddress!, rowCount: input.count, columnCount: weights.0.rowCount),
                            store: .add),
                        Product(
                            weights.1, bias: nil,
                            into: FloatRows(b.baseAddress!, rowCount: input.count, columnCount: weights.1.rowCount),
                            store: .add),
                    ])
                    workers.project(input.active, list, rowCount: input.count)
                }
            }
        }
        return (first, second)
    }

    @Test(
        "What widens equals products, their activation and its conversion", arguments: KernelMachine.all,
        RowKind.allCases)
    func gated(machine: KernelMachine, kind: RowKind) throws {
        let workers = try machine.workers(scratch: 128)
        var generator = TestGenerator(seed: 3)
        let (columns, outputs, rows) = (64, kind == .quantized8 ? 96 : 75, 14)
        for type in [ElementType.f32, .bf16, .q4_1] {
            let gate = try Weights(type, rows: outputs, columns: columns, workers, &generator)
            let up = try Weights(type, rows: outputs, columns: columns, workers, &generator)
            let input = Rows(generator.floats(rows * columns), gate.packed.inputKind, columns: columns)
            let bias = generator.floats(outputs)
            for hasUp in [true, false] {
                let zero = [Float](repeating: 0, count: rows * outputs)
                var expected = gate.reference(input, bias: bias, onto: zero)
                let other = up.reference(input, bias: nil, onto: zero)
                nt_reference_activate(NT_SILU, &expected, hasUp ? other : nil, Int64(expected.count))
                let found = Rows([Float](repeating: 1, count: rows * outputs), kind, columns: outputs)
                bias.withUnsafeBufferPointer { bias in
                    let widening = Widening(
                        gate: (gate.packed, bias.baseAddress), up: hasUp ? (up.packed, nil) : nil, activation: .silu)
                    workers.projectGated(input.active, widening, rowCount: rows, into: found.active)
                }
                #expect(found.bytes == Rows(expected, kind, columns: outputs).bytes, "\(type.name)")
            }
        }
    }

    @Test("Norms equal their references, converted and as floats", arguments: KernelMachine.all, RowKind.allCases)
    func norms(machine: KernelMachine, kind: RowKind) throws {
        let workers = try machine.workers(scratch: 128)
        var generator = TestGenerator(seed: 5)
        let (columns, rows) = (96, 9)
        var input = generator.floats(rows * columns)
        let (weight, bias) = (generator.floats(columns), generator.floats(columns))
        for hasBias in [true, false] {
            var expected = [Float](repeating: 0, count: rows * columns)
            if hasBias {
                nt_reference_layer_norm(input, Int64(rows), Int64(columns), weight, bias, 1e-5, &expected)
            } else {
                nt_reference_rms_norm(
                    input, Int64(rows), Int64(columns), Int64(columns), weight, 1e-5, &expected, Int64(columns))
            }
            let found = Rows([Float](repeating: 1, count: rows * columns), kind, columns: columns)
            var floats = [Float](repeating: 0, count: rows * columns)
            input.withUnsafeMutableBufferPointer { x in
                floats.withUnsafeMutableBufferPointer { y in
                    weight.withUnsafeBufferPointer { weight in
                        bias.withUnsafeBufferPointer { bias in
                            workers.norm(
                                FloatRows(x.baseAddress!, rowCount: rows, columnCount: columns),
                                weight: weight.baseAddress!, bias: hasBias ? bias.baseAddress : nil, epsilon: 1e-5,
                                into: found.active,
                                floats: FloatRows(y.baseAddress!, rowCount: rows, columnCount: columns))
                        }
                    }
                }
            }
            #expect(floats == expected)
            #expect(found.bytes == Rows(expected, kind, columns: columns).bytes)
        }
    }

    @Test(
        "Rows of every kind equal their references: ties, zeros, denormals, what is not finite",
        arguments: KernelMachine.all)
    func conversions(machine: KernelMachine) throws {
        let workers = try machine.workers(scratch: 128)
        var generator = TestGenerator(seed: 13)
        var floats = generator.floats(96)
        floats.replaceSubrange(
            32..<40, with: [0, -0.0, Float(bitPattern: 71362), -Float(bitPattern: 71362), 0.5, 1.5, 127, -127])
        floats.replaceSubrange(40..<64, with: repeatElement(2.5, count: 24))
        for special: Float in [1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, .greatestFiniteMagnitude] {
            floats[70] = special
            for kind in RowKind.allCases {
                let found = Rows([Float](repeating: 1, count: 96), kind, columns: 96)
                floats.withUnsafeMutableBufferPointer {
                    workers.convert(
                        FloatRows($0.baseAddress!, rowCount: 1, columnCount: 96), into: found.active)
                }
                #expect(found.bytes == Rows(floats, kind, columns: 96).bytes, "\(kind) with \(special)")
            }
        }
    }

    @Test("Rows that are gathered from panels are those of the file", arguments: ElementType.allCases)
    func gathered(type: ElementType) throws {
        var generator = TestGenerator(seed: 19)
        let (rows, columns) = (70, type.blockElementCount == 1 ? 37 : 768)
        let workers = try Workers(threadCount: 2, scratchFloatCount: 0)
        let weights = try Weights(type, rows: rows, columns: columns, workers, &generator)
        let ids: [Int32] = [69, 0, 31, 32, 63, 64, 5]
        var found = [Float](repeating: 0, count: ids.count * columns)
        found.withUnsafeMutableBufferPointer { found in
            ids.withUnsafeBufferPointer {
                workers.gather(
                    weights.packed, rows: $0,
                    into: FloatRows(found.baseAddress!, rowCount: ids.count, columnCount: columns))
            }
        }
        let rowByteCount = weights.bytes.count / rows
        for (index, id) in ids.enumerated() {
            var expected = [Float](repeating: 0, count: columns)
            weights.bytes.withUnsafeBytes { bytes in
                let row = UnsafeRawBufferPointer(rebasing: bytes[Int(id) * rowByteCount..<(Int(id) + 1) * rowByteCount])
                expected.withUnsafeMutableBufferPointer { dequantize(type, row, into: $0) }
            }
            // A bfloat less than 2^-56 counts as zero, so panels hold none.
            if type == .bf16 { expected = expected.map { abs($0) < 0x1p-56 ? 0 : $0 } }
            #expect(Array(found[index * columns..<(index + 1) * columns]) == expected, "row \(id)")
        }
    }
}
