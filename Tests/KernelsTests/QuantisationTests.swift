import InferenceTypes
import Kernels
import TestSupport
import Testing

@Suite("Quantised blocks")
struct QuantisationTests {
    @Test(
        "every element type reads as the gguf package reads it, to the bit",
        arguments: ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"])
    func matchesReferenceBlocks(name: String) throws {
        let type = try #require(ElementType.allCases.first { $0.name == name })
        let blocks = try SharedData.bytes(SharedData.fixture("quants/\(name).bin"))
        let expected = try SharedData.bytes(SharedData.fixture("quants/\(name).f32")).withUnsafeBytes {
            Array($0.bindMemory(to: Float.self))
        }
        #expect(type.byteCount(elementCount: expected.count) == blocks.count)

        var found = [Float](repeating: .nan, count: expected.count)
        blocks.withUnsafeBytes { bytes in found.withUnsafeMutableBufferPointer { dequantize(type, bytes, into: $0) } }
        #expect(zip(found, expected).allSatisfy { $0 == $1 }, "first: \(found.prefix(4)) for \(expected.prefix(4))")
    }
}
