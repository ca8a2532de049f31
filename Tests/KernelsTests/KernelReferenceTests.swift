import CKernels
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing

/// Every kernel against its plain reference, bit for bit: operation × type × shape × instruction set × threads.
@Suite("Kernels and their references")
struct KernelReferenceTests {
    @Test("the portable kernels are always there")
    func portable() { #expect(InstructionSet.portable.isAvailable) }

    @Test("norms, rotary turns and activations equal their references", arguments: KernelMachine.all)
    func rowOperations(machine: KernelMachine) throws {
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

    @Test("the peaks of runs equal their reference, and mark what cannot be decoded", arguments: KernelMachine.all)
    func peaks(machine: KernelMachine) throws {
        var generator = TestGenerator(seed: 12)
        let workers = try machine.workers(scratch: 0)
        for (rows, columns) in [(1, 1), (2, 63), (3, 64), (5, 1000), (2, 20_011)] {
            let count = Workers.peakCount(columns)
            var input = generator.floats(rows * columns, in: -30...30)
            for damage in [nil, .nan, .infinity, -.infinity] as [Float?] {
                if let damage { input[input.count / 2] = damage }
                var found = [Float](repeating: 0, count: rows * count)
                var expected = found
                input.withUnsafeMutableBufferPointer { x in
                    found.withUnsafeMutableBufferPointer { peaks in
                        guard let x = x.baseAddress, let peaks = peaks.baseAddress else { return }
                        workers.peaks(
                            of: FloatRows(x, rowCount: rows, columnCount: columns),
                            into: FloatRows(peaks, rowCount: rows, columnCount: count))
                    }
                }
                nt_reference_peaks(input, Int64(rows), Int64(columns), &expected)
                #expect(found == expected)
                #expect(found.contains(.infinity) == (damage.map { !($0 < .infinity) } ?? false))
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
}
