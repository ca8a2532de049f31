import Kernels
import Testing

struct KeyValueWriteTests {
    @Test("each token goes to its slot, a token without one nowhere", arguments: [1, 3])
    func slots(threadCount: Int) throws {
        let workers = try Workers(threadCount: threadCount, scratchFloatCount: 0)
        let (blockSize, headCount, dimension, blockCount) = (2, 2, 3, 3)
        let slots: [Int32] = [4, -1, 1, -1, 2]
        var rows = (0..<slots.count * headCount * dimension).map { Float($0 + 1) }
        var keys = [Float](repeating: 0, count: blockCount * blockSize * headCount * dimension)
        var values = keys
        rows.withUnsafeMutableBufferPointer { rows in
            keys.withUnsafeMutableBufferPointer { keys in
                values.withUnsafeMutableBufferPointer { values in
                    let matrix = FloatRows(
                        rows.baseAddress!, rowCount: slots.count, columnCount: headCount * dimension)
                    workers.writeKeyValues(
                        KeyValueLayer(
                            keys: keys.baseAddress!, values: values.baseAddress!, blockSize: blockSize,
                            keyValueHeadCount: headCount, headDimension: dimension),
                        keys: matrix, values: matrix, slots: slots)
                }
            }
        }
        var expected = [Float](repeating: 0, count: keys.count)
        for (token, slot) in slots.enumerated() where slot >= 0 {
            let (block, offset) = Int(slot).quotientAndRemainder(dividingBy: blockSize)
            for head in 0..<headCount {
                for element in 0..<dimension {
                    expected[((block * headCount + head) * blockSize + offset) * dimension + element] =
                        rows[(token * headCount + head) * dimension + element]
                }
            }
        }
        #expect(keys == expected && values == expected)
    }
}
