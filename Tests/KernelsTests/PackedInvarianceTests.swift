import CKernels
import InferenceTypes
import TestSupport
import Testing

/// Packed products give one answer for one row: in any batch, on any instruction set, split over any threads, alone or in a
/// list. And that answer is the plain reference's, which reads the weights as they lie in a file.
@Suite("Packed products")
struct PackedInvarianceTests {
    private static func shapes(_ type: ElementType) -> [(outputs: Int, columns: Int)] {
        switch type.blockElementCount {
        case 1: [(5, 36), (31, 20), (33, 37), (100, 65)]
        case 32: [(5, 32), (31, 96), (33, 224), (100, 160)]
        default: [(5, 256), (31, 512), (33, 768), (100, 256)]
        }
    }

    @Test("each row of every batch is the reference's, to the bit", arguments: ElementType.allCases)
    func batches(type: ElementType) throws {
        for shape in Self.shapes(type) {
            let weights = try PackedCase(
                random: type, outputs: shape.outputs, columns: shape.columns, rows: 200, seed: 23)
            #expect(weights.expected.contains { $0 != 0 })
            for machine in PackedMachine.all {
                try machine.withWorkers { workers in
                    for count in Array(1...13) + [33, 200] {
                        // From the first row, and from another.
                        for first in Set([0, min(7, 200 - count)]) {
                            let rows = first..<first + count
                            #expect(
                                weights.found(workers, rows: rows) == weights.expected(rows: rows),
                                "\(machine): \(shape.outputs)×\(shape.columns), \(count) rows from \(first)")
                        }
                    }
                }
            }
        }
    }

    @Test("products of a list, of several types, equal single calls", arguments: PackedMachine.all)
    func lists(machine: PackedMachine) throws {
        let rows = 9
        let types: [ElementType] = [.q4_K, .q6_K, .q8_0, .q5_1]
        let list = try types.enumerated().map { index, type in
            try PackedCase(random: type, outputs: 40 + index * 31, columns: 256, rows: rows, seed: 5)
        }
        let width = list.reduce(0) { $0 + $1.outputs }
        var output = [Float](repeating: 0, count: rows * width)
        try machine.withWorkers { workers in
            output.withUnsafeMutableBufferPointer { output in
                var (products, place): ([nt_product], Int) = ([], 0)
                for weights in list {
                    products.append(
                        weights.product(into: output.baseAddress.map { $0 + place }, stride: width, bias: nil))
                    place += weights.outputs
                }
                // Every case of one seed has its own rows; the last one's are the input here.
                var view = list[3].inputRows(from: 0)
                nt_project(workers, products, Int32(products.count), &view, Int64(rows))
            }
            var place = 0
            for weights in list {
                var alone = [Float](repeating: 0, count: rows * weights.outputs)
                alone.withUnsafeMutableBufferPointer { alone in
                    var product = weights.product(into: alone.baseAddress, stride: weights.outputs, bias: nil)
                    var view = list[3].inputRows(from: 0)
                    nt_project(workers, &product, 1, &view, Int64(rows))
                }
                for row in 0..<rows {
                    #expect(
                        output[row * width + place..<row * width + place + weights.outputs]
                            == alone[row * weights.outputs..<(row + 1) * weights.outputs],
                        "\(weights.type.name), row \(row)")
                }
                place += weights.outputs
            }
        }
    }

    /// Bytes of one row whose quants are all the same, as large as the type has them, and whose scales are as large.
    private static func extremeRow(_ type: ElementType, columns: Int, quant: UInt8) -> [UInt8] {
        var block = [UInt8](repeating: quant, count: type.blockByteCount)
        // Scales (and minima) of one: 0x3C00.
        let halves: [Int] =
            switch type {
            case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
            case .q6_K: [208]
            default: [0]
            }
        for place in halves { block.replaceSubrange(place..<place + 2, with: [0x00, 0x3C]) }
        return (0..<columns / type.blockElementCount).flatMap { _ in block }
    }

    @Test(
        "sums of the largest quants do not overflow on the way",
        arguments: [ElementType.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K, .q5_K, .q6_K])
    func extremes(type: ElementType) throws {
        // 0x80 is -128 as a quant of eight bits, and a scale of -128 in Q6_K; 0x7F is 127 of both.
        for quant: UInt8 in [0x00, 0x7F, 0x80, 0xFF] {
            let columns = 512
            let row = Self.extremeRow(type, columns: columns, quant: quant)
            // Whole rows of 127 and -127 once quantised, and rows whose signs go by pairs and fours.
            let activations: [Float] =
                (0..<columns).map { _ in 1 } + (0..<columns).map { _ in -1 }
                + (0..<columns).map { $0 % 2 == 0 ? 1 : -1 } + (0..<columns).map { $0 % 4 < 2 ? 1 : -1 }
            let weights = try PackedCase(
                type, outputs: 33, columns: columns, bytes: (0..<33).flatMap { _ in row }, activations: activations,
                bias: [Float](repeating: 0.5, count: 33))
            for machine in PackedMachine.all where machine.threadCount == 1 {
                try machine.withWorkers { workers in
                    #expect(
                        weights.found(workers, rows: 0..<4) == weights.expected, "\(machine), quants of \(quant)")
                }
            }
        }
    }

    @Test(
        "the reference is near the product of what a file's weights and the activations mean",
        arguments: ElementType.allCases)
    func meaning(type: ElementType) throws {
        let (outputs, columns) = (6, 512)
        var generator = TestGenerator(seed: 29)
        let bytes = try randomMatrixBytes(type, rows: outputs, columns: columns, using: &generator)
        let activations = generator.floats(columns)
        let weights = try PackedCase(
            type, outputs: outputs, columns: columns, bytes: bytes, activations: activations,
            bias: [Float](repeating: 0, count: outputs))
        var floats = [Float](repeating: 0, count: outputs * columns)
        nt_reference_dequantize(type.rawValue, bytes, &floats, Int64(floats.count))
        for output in 0..<outputs {
            let row = floats[output * columns..<(output + 1) * columns]
            let exact = zip(row, activations).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let size = row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            // Activations are rounded to 1/254 of the largest of their block at most, independently.
            #expect(
                abs(Double(weights.expected[output]) - exact) <= 0.02 * size + 1e-6, "\(type.name), output \(output)")
        }
    }
}
