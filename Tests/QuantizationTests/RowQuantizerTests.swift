import Glibc
import InferenceTypes
import Kernels
import Quantization
import TestSupport
import Testing

/// 16 rows of 512 floats, the last eight odd ones, and what others made of them (see Fixtures/README.md).
enum QuantizedRows {
    static let columnCount = 512

    static func floats(_ name: String) throws -> [Float] {
        try SharedData.bytes(SharedData.fixture("quantized/\(name).f32")).withUnsafeBytes {
            Array($0.bindMemory(to: Float.self))
        }
    }

    static func encode(_ type: ElementType, _ rows: [Float], importance: [Float]? = nil) -> [UInt8] {
        guard let rowByteCount = type.byteCount(elementCount: columnCount) else { return [] }
        let quantizer = RowQuantizer(type)
        var bytes = [UInt8](repeating: 0xAA, count: rows.count / columnCount * rowByteCount)
        bytes.withUnsafeMutableBytes { bytes in
            rows.withUnsafeBufferPointer { rows in
                for row in 0..<rows.count / columnCount {
                    let part = rows[row * columnCount..<(row + 1) * columnCount]
                    let target = bytes[row * rowByteCount..<(row + 1) * rowByteCount]
                    if let importance {
                        importance.withUnsafeBufferPointer {
                            quantizer.encode(
                                UnsafeBufferPointer(rebasing: part), importance: $0,
                                into: UnsafeMutableRawBufferPointer(rebasing: target))
                        }
                    } else {
                        quantizer.encode(
                            UnsafeBufferPointer(rebasing: part),
                            into: UnsafeMutableRawBufferPointer(rebasing: target))
                    }
                }
            }
        }
        return bytes
    }

    static func decode(_ type: ElementType, _ bytes: [UInt8], count: Int) -> [Float] {
        var floats = [Float](repeating: .nan, count: count)
        bytes.withUnsafeBytes { bytes in floats.withUnsafeMutableBufferPointer { dequantize(type, bytes, into: $0) } }
        return floats
    }

    /// Σ w (x' - x)² of each row.
    static func errors(_ rows: [Float], _ other: [Float], weights: [Float]?) -> [Double] {
        stride(from: 0, to: rows.count, by: columnCount).map { start in
            (0..<columnCount).reduce(0) { sum, column in
                let off = Double(other[start + column]) - Double(rows[start + column])
                return sum + off * off * Double(weights?[column] ?? 1)
            }
        }
    }
}

@Suite("Row quantisers")
struct RowQuantizerTests {
    @Test(
        "simple types are what the gguf package makes, byte for byte",
        arguments: ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
    func equalsReference(name: String) throws {
        let type = try #require(ElementType.allCases.first { $0.name == name })
        let expected = try SharedData.bytes(SharedData.fixture("quantized/\(name).bin"))
        #expect(QuantizedRows.encode(type, try QuantizedRows.floats("rows")) == expected)
    }

    @Test("F32 is the bytes themselves")
    func copies() throws {
        let rows = try QuantizedRows.floats("rows")
        #expect(QuantizedRows.encode(.f32, rows) == rows.withUnsafeBytes { Array($0) })
    }

    @Test(
        "K types round no row worse than llama.cpp, and rows together better",
        arguments: [ElementType.q4_K, .q5_K, .q6_K], ["plain", "weighted"])
    func beatsReference(type: ElementType, kind: String) throws {
        let rows = try QuantizedRows.floats("rows")
        let importance = kind == "weighted" ? try QuantizedRows.floats("importance") : nil
        let document = try JSONParser.parse(
            try SharedData.bytes(SharedData.fixture("quantized/k_errors.json")), limits: .modelFile)
        let reference = try #require(document.asObject?.first { $0.key.elementsEqual(type.name.utf8) }?.value)
        let numbers = try #require(reference.asObject?.first { $0.key.elementsEqual(kind.utf8) }?.value.asArray)
        let expected = numbers.compactMap(\.asDouble)

        let bytes = QuantizedRows.encode(type, rows, importance: importance)
        let found = QuantizedRows.errors(
            rows, QuantizedRows.decode(type, bytes, count: rows.count), weights: importance)
        #expect(found.count == expected.count)
        var (logarithm, count) = (0.0, 0.0)
        for row in found.indices {
            // A constant row is rounded by its scale's half precision alone: who is nearer there is luck.
            if row == 9 {
                #expect(found[row] < 1e-4 * 0.37 * 0.37 * 512)
                continue
            }
            #expect(found[row] <= expected[row] * 1.03, "row \(row)")
            if expected[row] > 0 { (logarithm, count) = (logarithm + log(found[row] / expected[row]), count + 1) }
        }
        // Squared errors: the root of it compares root mean squares.
        #expect((logarithm / count) < -0.02, "mean ratio \(logarithm / count)")
    }

    @Test("what is no number makes blocks of no meaning, and no trap", arguments: ElementType.allCases)
    func survivesOddValues(type: ElementType) {
        for odd: Float in [.nan, .infinity, -.infinity, .greatestFiniteMagnitude, 1e30, .leastNonzeroMagnitude] {
            var row = [Float](repeating: 0.5, count: QuantizedRows.columnCount)
            row[3] = odd
            row[300] = -odd
            #expect(!QuantizedRows.encode(type, row).isEmpty)
            #expect(!QuantizedRows.encode(type, row, importance: row).isEmpty)
        }
    }

    @Test("zeros stay zeros", arguments: ElementType.allCases)
    func keepsZeros(type: ElementType) {
        let row = [Float](repeating: 0, count: QuantizedRows.columnCount)
        let bytes = QuantizedRows.encode(type, row)
        #expect(QuantizedRows.decode(type, bytes, count: row.count).allSatisfy { $0 == 0 })
    }

    @Test("a row's bytes are the same from every thread")
    func isDeterministic() async throws {
        let rows = try QuantizedRows.floats("rows")
        let alone = QuantizedRows.encode(.q4_K, rows)
        await withTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<4 { group.addTask { QuantizedRows.encode(.q4_K, rows) } }
            for await bytes in group { #expect(bytes == alone) }
        }
    }
}
