import InferenceTypes
import Kernels
import TestSupport

/// A small deterministic generator for shapes and weights; the quality of its numbers does not matter here.
struct TestGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ state >> 29) &* 0xBF58_476D_1CE4_E5B9
    }

    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}

/// Bytes of a random matrix of any element type. Quantised rows are taken from the fixture's blocks, so that scales are
/// finite.
func randomMatrixBytes(_ type: ElementType, rows: Int, columns: Int, using generator: inout TestGenerator) throws
    -> [UInt8]
{
    if type == .f32 {
        return generator.floats(rows * columns).withUnsafeBytes { Array($0) }
    }
    let blocks = try SharedData.bytes(SharedData.fixture("quants/\(type.name).bin"))
    let size = type.blockByteCount
    var bytes: [UInt8] = []
    for _ in 0..<rows * columns / type.blockElementCount {
        let block = Int.random(in: 0..<blocks.count / size, using: &generator)
        bytes += blocks[block * size..<(block + 1) * size]
    }
    return bytes
}
