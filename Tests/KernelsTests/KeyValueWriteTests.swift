import CKernels
import Kernels
import TestSupport
import Testing

/// Writing keys and values into the paged cache.
@Suite("Writing keys and values")
struct KeyValueWriteTests {
    /// A cache of three blocks, filled with bytes of 255.
    final class Cache {
        static let headCount = 2
        let storage: UnsafeMutableRawBufferPointer
        let layer: KeyValueLayer
        private let dimension: Int
        private var view: nt_kv_layer

        init(_ type: CacheType, blockSize: Int, dimension: Int) {
            self.dimension = dimension
            let byteCount =
                type.blockByteCount(blockSize: blockSize, keyValueHeadCount: Self.headCount, headDimension: dimension)
                ?? 0
            storage = .allocate(byteCount: 3 * byteCount, alignment: 64)
            storage.initializeMemory(as: UInt8.self, repeating: 255)
            layer = KeyValueLayer(
                storage.baseAddress!, type: type, blockSize: blockSize, keyValueHeadCount: Self.headCount,
                headDimension: dimension)
            view = nt_kv_layer(
                storage: storage.baseAddress, type: type.raw, block_size: Int64(blockSize),
                kv_head_count: Int64(Self.headCount), head_dimension: Int64(dimension))
        }

        deinit { storage.deallocate() }

        var bytes: [UInt8] { Array(storage) }

        func write(_ workers: Workers, keys: [Float], values: [Float], slots: [Int32]) {
            var (keys, values) = (keys, values)
            let width = Self.headCount * dimension
            keys.withUnsafeMutableBufferPointer { keys in
                values.withUnsafeMutableBufferPointer { values in
                    workers.writeKeyValues(
                        layer, keys: FloatRows(keys.baseAddress!, rowCount: slots.count, columnCount: width),
                        values: FloatRows(values.baseAddress!, rowCount: slots.count, columnCount: width),
                        slots: slots)
                }
            }
        }

        func read(slot: Int, head: Int) -> (key: [Float], value: [Float]) {
            var key = [Float](repeating: 0, count: dimension)
            var value = key
            nt_reference_kv_read(&view, Int64(slot), Int64(head), &key, &value)
            return (key, value)
        }
    }

    @Test("each token goes to its slot, a token without one nowhere", arguments: [1, 3], [2, 16])
    func slots(threadCount: Int, blockSize: Int) throws {
        let workers = try Workers(threadCount: threadCount, scratchFloatCount: 0)
        let slots: [Int32] = [4, -1, 1, -1, 2]
        let width = Cache.headCount * 3
        let keys = (0..<slots.count * width).map { Float($0 + 1) }
        for type in CacheType.allCases where blockSize % 16 == 0 || type == .f32 {
            let cache = Cache(type, blockSize: blockSize, dimension: 3)
            let untouched = cache.read(slot: 0, head: 0).key.map(\.bitPattern)
            cache.write(workers, keys: keys, values: keys.map { -$0 }, slots: slots)
            for slot in 0..<3 * blockSize {
                for head in 0..<Cache.headCount {
                    let (key, value) = cache.read(slot: slot, head: head)
                    guard let token = slots.firstIndex(of: Int32(slot)) else {
                        #expect(key.map(\.bitPattern) == untouched)
                        continue
                    }
                    let expected = Array(keys[token * width + head * 3..<token * width + head * 3 + 3])
                    // Small whole numbers are exact as bfloats.
                    let error: Float = type == .q8_0 ? 0.13 : 0
                    for (found, expected) in zip(key, expected) { #expect(abs(found - expected) <= error) }
                    for (found, expected) in zip(value, expected) { #expect(abs(found + expected) <= error) }
                }
            }
        }
    }

    /// What is written as a bfloat, and what is read.
    static let roundings: [(Float, Float)] = [
        (1, 1), (0x1.01p0, 1), (0x1.03p0, 0x1.04p0), (0x1.0102p0, 0x1.02p0), (-0x1.ffp3, -16), (0x1p-56, 0x1p-56),
        (0x1.fffffep-57, 0), (-0x1p-130, 0), (0x1.fcp127, 0x1.fcp127),
    ]

    @Test("bfloats are rounded to nearest even, and next to nothing is nothing", arguments: roundings)
    func bfloats(written: Float, read: Float) throws {
        let workers = try Workers(threadCount: 1, scratchFloatCount: 0)
        let cache = Cache(.bf16, blockSize: 16, dimension: 5)
        let row = [Float](repeating: written, count: 2 * 5)
        cache.write(workers, keys: row, values: row, slots: [17])
        let (key, value) = cache.read(slot: 17, head: 1)
        #expect(key == [Float](repeating: read, count: 5) && value == key)
    }

    @Test("bytes are off by half a step at most, whatever the neighbours' size")
    func bytes() throws {
        var generator = TestGenerator(seed: 5)
        let workers = try Workers(threadCount: 1, scratchFloatCount: 0)
        let cache = Cache(.q8_0, blockSize: 16, dimension: 80)
        for size in [Float(1e-30), 1e-3, 1, 1e20] {
            var keys = generator.floats(160, in: -size...size)
            let values = generator.floats(160, in: -size...size)
            // An outlier in the middle group of each head.
            keys[40] = 1000 * size
            keys[120] = -1000 * size
            cache.write(workers, keys: keys, values: values, slots: [7])
            for head in 0..<2 {
                let (key, value) = cache.read(slot: 7, head: head)
                for start in stride(from: 0, to: 80, by: 32) {
                    let group = start..<min(start + 32, 80)
                    expectNear(
                        Array(key[group]),
                        Array(
                            keys[80 * head..<80 * head + 80][
                                group.map { $0 + 80 * head }.first!..<80 * head + group.upperBound]))
                }
                expectNear(value, Array(values[80 * head..<80 * head + 80]))
            }
        }
    }

    /// A step is the largest over 127, rounded up to eight bits.
    private func expectNear(_ found: [Float], _ expected: [Float]) {
        let step = (expected.map(abs).max() ?? 0) / 127 * 1.008
        for (found, expected) in zip(found, expected) { #expect(abs(found - expected) <= step * 0.5001) }
    }

    @Test("zeros, infinities and what is no number leave the others alone", arguments: CacheType.allCases)
    func extremes(type: CacheType) throws {
        let workers = try Workers(threadCount: 1, scratchFloatCount: 0)
        let cache = Cache(type, blockSize: 16, dimension: 4)
        let good = (0..<8).map { Float($0) }
        cache.write(workers, keys: good, values: good, slots: [2])
        for (slot, bad) in [(Int32(1), Float.nan), (3, .infinity), (4, 0)] {
            let row = [Float](repeating: bad, count: 8)
            cache.write(workers, keys: row, values: row, slots: [slot])
        }
        #expect(cache.read(slot: 4, head: 1) == ([0, 0, 0, 0], [0, 0, 0, 0]))
        let (key, value) = cache.read(slot: 2, head: 1)
        for (found, expected) in zip(key + value, [4, 5, 6, 7, 4, 5, 6, 7] as [Float]) {
            #expect(abs(found - expected) <= (type == .q8_0 ? 0.03 : 0))
        }
    }

    @Test("threads that write into one tile leave each other's tokens alone", arguments: CacheType.allCases)
    func sharedTiles(type: CacheType) throws {
        var generator = TestGenerator(seed: 3)
        let slots = (0..<48).map { Int32($0) }.shuffled(using: &generator)
        let keys = generator.floats(slots.count * 32)
        let expected = Cache(type, blockSize: 16, dimension: 16)
        expected.write(try Workers(threadCount: 1, scratchFloatCount: 0), keys: keys, values: keys, slots: slots)
        let workers = try Workers(threadCount: 3, scratchFloatCount: 0)
        for _ in 0..<200 {
            let cache = Cache(type, blockSize: 16, dimension: 16)
            cache.write(workers, keys: keys, values: keys, slots: slots)
            #expect(cache.bytes == expected.bytes)
        }
    }

    /// Type, block size, head dimension, and the bytes of a block of two heads.
    static let blocks: [(CacheType, Int, Int, Int)] = [
        (.f32, 4, 64, 2 * 2 * 4 * 64 * 4), (.bf16, 16, 64, 2 * 4096), (.bf16, 32, 64, 2 * 8192),
        (.bf16, 16, 20, 2 * 2048), (.q8_0, 16, 64, 2 * 2176), (.q8_0, 16, 128, 2 * 4288),
    ]

    @Test("a block is one run of K and V of all heads", arguments: blocks)
    func blockBytes(type: CacheType, blockSize: Int, dimension: Int, expected: Int) {
        #expect(type.blockByteCount(blockSize: blockSize, keyValueHeadCount: 2, headDimension: dimension) == expected)
    }

    @Test("tiled types have blocks of whole tiles", arguments: [0, 1, 8, 24])
    func blockSizes(blockSize: Int) {
        for type in [CacheType.bf16, .q8_0] {
            #expect(type.blockByteCount(blockSize: blockSize, keyValueHeadCount: 1, headDimension: 64) == nil)
        }
    }
}
