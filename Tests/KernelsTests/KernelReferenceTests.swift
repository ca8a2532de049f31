import CKernels
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing

/// Instruction sets that this machine has.
private let instructionSets = InstructionSet.allCases.filter {
    (try? Workers(threadCount: 1, scratchFloatCount: 0, instructionSet: $0)) != nil
}

/// Every kernel against its plain reference, bit for bit: operation × type × shape × instruction set × threads.
@Suite("Kernels and their references")
struct KernelReferenceTests {
    struct Machine: CustomStringConvertible {
        var instructionSet: InstructionSet
        var threadCount: Int
        var description: String { "\(instructionSet.rawValue), \(threadCount) threads" }

        func workers(scratch: Int) throws -> Workers {
            try Workers(threadCount: threadCount, scratchFloatCount: scratch, instructionSet: instructionSet)
        }
    }

    static let machines = instructionSets.flatMap { set in
        [1, 2, 3].map { Machine(instructionSet: set, threadCount: $0) }
    }

    @Test("the portable kernels are always there")
    func portable() { #expect(instructionSets.contains(.portable)) }

    @Test("matmul equals its reference for every type, shape and row count", arguments: machines, ElementType.allCases)
    func matmul(machine: Machine, type: ElementType) throws {
        var generator = TestGenerator(seed: 7)
        let shapes =
            type.blockElementCount == 1
            ? [(1, 1), (5, 8), (9, 15), (8, 16), (33, 172), (64, 64)] : [(3, 256), (19, 512)]
        for (outputs, inputs) in shapes {
            let bytes = try randomMatrixBytes(type, rows: outputs, columns: inputs, using: &generator)
            let workers = try machine.workers(scratch: Workers.matmulScratch(columnCount: inputs))
            for rows in [1, 2, 3, 4, 5, 8, 13] {
                try checkMatmul(workers, type, bytes, outputs, inputs, rows: rows, using: &generator)
            }
        }
    }

    private func checkMatmul(
        _ workers: Workers, _ type: ElementType, _ bytes: [UInt8], _ outputs: Int, _ inputs: Int, rows: Int,
        using generator: inout TestGenerator
    ) throws {
        var input = generator.floats(rows * inputs)
        let bias = generator.floats(outputs)
        var found = generator.floats(rows * outputs)
        var expected = found
        bytes.withUnsafeBytes { raw in
            let matrix = Matrix(bytes: raw, elementType: type, rowCount: outputs, columnCount: inputs)
            var view = nt_matrix(
                data: raw.baseAddress, type: type.rawValue, rows: Int64(outputs), columns: Int64(inputs),
                row_bytes: raw.count / outputs)
            nt_reference_matmul(&view, bias, input, Int64(rows), &expected, Int64(outputs), NT_ADD)
            input.withUnsafeMutableBufferPointer { x in
                found.withUnsafeMutableBufferPointer { y in
                    workers.matmul(
                        FloatRows(x.baseAddress!, rowCount: rows, columnCount: inputs), matrix, bias: bias,
                        into: FloatRows(y.baseAddress!, rowCount: rows, columnCount: outputs), store: .add)
                }
            }
        }
        #expect(found == expected, "\(type.name) \(outputs)×\(inputs), \(rows) rows")
    }

    @Test("norms, rotary turns and activations equal their references", arguments: machines)
    func rowOperations(machine: Machine) throws {
        var generator = TestGenerator(seed: 11)
        let workers = try machine.workers(scratch: 0)
        for (rows, columns) in [(1, 2), (3, 48), (7, 64), (5, 172), (2, 1040)] {
            var input = generator.floats(rows * columns, in: -30...30)
            let weight = generator.floats(columns)
            let bias = generator.floats(columns)
            let (m, k) = (Int64(rows), Int64(columns))
            var found = [Float](repeating: 0, count: rows * columns)
            var expected = found

            try rowsOf(&input, &found, columns) { workers.rmsNorm($0, weight: weight, epsilon: 1e-5, into: $1) }
            nt_reference_rms_norm(input, m, k, k, weight, 1e-5, &expected, k)
            #expect(found == expected)

            try rowsOf(&input, &found, columns) {
                workers.layerNorm($0, weight: weight, bias: bias, epsilon: 1e-5, into: $1)
            }
            nt_reference_layer_norm(input, m, k, weight, bias, 1e-5, &expected)
            #expect(found == expected)

            let angles = generator.floats(rows * columns / 2)
            for (layout, raw) in [(RotaryLayout.halfSplit, NT_HALF_SPLIT), (.interleaved, NT_INTERLEAVED)] {
                found = input
                expected = input
                try rowsOf(&input, &found, columns) {
                    workers.rotary(
                        $1, headDimension: columns, rotaryDimension: columns, cosines: angles, sines: angles,
                        layout: layout)
                }
                nt_reference_rotary(&expected, m, k, 1, k, k, angles, angles, raw)
                #expect(found == expected)
            }
            for (kind, raw) in [(ActivationKind.silu, NT_SILU), (.geluTanh, NT_GELU_TANH), (.geluErf, NT_GELU_ERF)] {
                found = input
                expected = input
                try rowsOf(&input, &found, columns) { workers.activate(kind, gate: $1, up: $0) }
                nt_reference_activate(raw, &expected, input, m * k)
                #expect(found == expected)
            }
        }
    }

    @Test("silu is within 1e-6 of double precision")
    func exponentialAccuracy() throws {
        let workers = try Workers(threadCount: 1, scratchFloatCount: 0)
        let inputs = (-4000...4000).map { Float($0) / 50 }
        var input = inputs
        var unused = inputs
        try rowsOf(&input, &unused, inputs.count) { rows, _ in workers.activate(.silu, gate: rows, up: nil) }
        for (x, value) in zip(inputs, input) {
            let exact = Double(x) / (1 + exp(-Double(x)))
            #expect(abs(Double(value) - exact) <= 1e-6 * max(abs(exact), 1e-30))
        }
    }

    private func rowsOf(
        _ input: inout [Float], _ output: inout [Float], _ columns: Int, _ body: (FloatRows, FloatRows) -> Void
    ) throws {
        let rows = input.count / columns
        input.withUnsafeMutableBufferPointer { x in
            output.withUnsafeMutableBufferPointer { y in
                body(
                    FloatRows(x.baseAddress!, rowCount: rows, columnCount: columns),
                    FloatRows(y.baseAddress!, rowCount: rows, columnCount: columns))
            }
        }
    }

    struct AttentionShape: CustomStringConvertible {
        var queryHeads: Int, kvHeads: Int, dimension: Int, window: Int
        var description: String { "\(queryHeads)/\(kvHeads) heads of \(dimension), window \(window)" }
    }

    @Test(
        "attention over blocks in any order equals its reference", arguments: machines,
        [
            AttentionShape(queryHeads: 8, kvHeads: 4, dimension: 8, window: 0),
            AttentionShape(queryHeads: 3, kvHeads: 3, dimension: 16, window: 0),
            AttentionShape(queryHeads: 4, kvHeads: 1, dimension: 20, window: 5),
            AttentionShape(queryHeads: 2, kvHeads: 1, dimension: 64, window: 0),
        ])
    func attention(machine: Machine, shape: AttentionShape) throws {
        var generator = TestGenerator(seed: 13)
        let (blockSize, blockCount) = (4, 12)
        let floats = blockCount * blockSize * shape.kvHeads * shape.dimension
        var keys = generator.floats(floats)
        var values = generator.floats(floats)
        // Two sequences: tokens 17…20 of one, token 0 of the other.
        let positions: [Int32] = [17, 18, 19, 20, 0]
        let tokenRows: [Int32] = [0, 0, 0, 0, 1]
        let tables: [Int32] = [9, 2, 11, 0, 5, 7, 3]
        let tableStarts: [Int32] = [0, 6, 7]
        let width = shape.queryHeads * shape.dimension
        var queries = generator.floats(positions.count * width, in: -3...3)
        var found = [Float](repeating: 0, count: queries.count)
        var expected = found
        var scratch = [Float](repeating: 0, count: 64)
        let workers = try machine.workers(
            scratch: Workers.attentionScratch(contextCount: 32, headsPerKeyValueHead: shape.queryHeads / shape.kvHeads))

        keys.withUnsafeMutableBufferPointer { k in
            values.withUnsafeMutableBufferPointer { v in
                queries.withUnsafeMutableBufferPointer { q in
                    var layer = nt_kv_layer(
                        keys: k.baseAddress, values: v.baseAddress, block_size: Int64(blockSize),
                        kv_head_count: Int64(shape.kvHeads), head_dimension: Int64(shape.dimension))
                    positions.withUnsafeBufferPointer { p in
                        tokenRows.withUnsafeBufferPointer { r in
                            tables.withUnsafeBufferPointer { t in
                                tableStarts.withUnsafeBufferPointer { s in
                                    expected.withUnsafeMutableBufferPointer { out in
                                        var plan = nt_attention_plan(
                                            queries: q.baseAddress, q_stride: Int64(width), out: out.baseAddress,
                                            out_stride: Int64(width), token_count: Int64(p.count),
                                            query_head_count: Int64(shape.queryHeads),
                                            scale: 1 / Float(shape.dimension).squareRoot(),
                                            window: Int64(shape.window), positions: p.baseAddress,
                                            token_rows: r.baseAddress, block_tables: t.baseAddress,
                                            block_table_starts: s.baseAddress)
                                        nt_reference_attention(&layer, &plan, &scratch)
                                    }
                                    found.withUnsafeMutableBufferPointer { out in
                                        workers.attention(
                                            KeyValueLayer(
                                                keys: k.baseAddress!, values: v.baseAddress!, blockSize: blockSize,
                                                keyValueHeadCount: shape.kvHeads, headDimension: shape.dimension),
                                            queries: FloatRows(q.baseAddress!, rowCount: p.count, columnCount: width),
                                            at: AttentionPlaces(
                                                positions: p.baseAddress!, tokenRows: r.baseAddress!,
                                                blockTables: t.baseAddress!, blockTableStarts: s.baseAddress!),
                                            window: shape.window > 0 ? shape.window : nil,
                                            into: FloatRows(out.baseAddress!, rowCount: p.count, columnCount: width))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        #expect(found == expected)
        #expect(found.contains { $0 != 0 })
    }
}
