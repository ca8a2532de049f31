import InferenceTypes
import Kernels
import TestSupport

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
