import InferenceTypes
import Kernels
import Quantization
import TestSupport
import Testing

/// What is written is read back within what the type can hold.
struct RoundTripTests {
    @Test(
        "rows come back within half a step of their blocks",
        arguments: [
            // The largest error beside the largest magnitude of a block: half a step, and what half precision takes.
            (ElementType.f32, 0), (.f16, 0x1p-11), (.bf16, 0x1p-8), (.q8_0, 0.5 / 127 + 0x1p-10),
            (.q5_0, 1.0 / 16 + 0x1p-9),
            (.q4_0, 1.0 / 8 + 0x1p-9), (.q5_1, 1.0 / 31 + 0x1p-9), (.q4_1, 1.0 / 15 + 0x1p-9), (.q6_K, 0.05),
            (.q5_K, 0.09),
            (.q4_K, 0.16),
        ] as [(ElementType, Float)])
    func error(type: ElementType, most: Float) throws {
        var generator = TestGenerator(seed: 5)
        let row = generator.floats(1024, in: -2...2)
        let byteCount = try #require(type.byteCount(elementCount: row.count))
        var bytes = [UInt8](repeating: 0, count: byteCount)
        var found = [Float](repeating: 0, count: row.count)
        row.withUnsafeBufferPointer { row in
            bytes.withUnsafeMutableBytes { RowQuantizer(type).encode(row, into: $0) }
        }
        bytes.withUnsafeBytes { bytes in found.withUnsafeMutableBufferPointer { dequantize(type, bytes, into: $0) } }
        let worst = zip(row, found).map { abs($0 - $1) }.max() ?? 0
        #expect(worst <= most * 2)
    }
}
