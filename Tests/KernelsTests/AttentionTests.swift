import CKernels
import Kernels
import TestSupport
import Testing

/// Attention over the paged cache, for each type and each instruction set that this machine has.
@Suite("Attention")
struct AttentionTests {
    typealias Shape = AttentionCase.Shape

    static let instructionSets = InstructionSet.allCases.filter {
        (try? Workers(threadCount: 1, scratchFloatCount: 0, instructionSet: $0)) != nil
    }

    /// Around tiles of 16 positions and chunks of 256.
    static let lengths = [1, 15, 16, 17, 255, 256, 257, 700]

    static let shapes = CacheType.allCases.flatMap { type in
        [
            Shape(type: type, headsPerKeyValueHead: 1, dimension: 4),
            Shape(type: type, headsPerKeyValueHead: 4, dimension: 7, blockSize: 32),
            Shape(type: type, headsPerKeyValueHead: 7, dimension: 16, window: 5),
            Shape(type: type, headsPerKeyValueHead: 1, dimension: 64, window: 300),
            Shape(type: type, headsPerKeyValueHead: 7, dimension: 64),
            Shape(type: type, headsPerKeyValueHead: 4, dimension: 80, blockSize: 48, window: 17),
            Shape(type: type, headsPerKeyValueHead: 4, dimension: 128),
            Shape(type: type, headsPerKeyValueHead: 50, dimension: 16),
        ]
    }

    @Test("equals its reference, bit for bit, with any instructions and threads", arguments: shapes)
    func reference(shape: Shape) throws {
        let attention = try AttentionCase(shape, lengths: Self.lengths, queryCount: 4)
        let expected = attention.reference()
        #expect(!expected.contains { !$0.isFinite })
        for set in Self.instructionSets {
            for threadCount in [1, 2, 3] {
                let found = attention.run(try attention.workers(threadCount: threadCount, instructionSet: set))
                #expect(found == expected, "\(set.rawValue), \(threadCount) threads")
            }
        }
    }

    @Test("blocks smaller than a tile, which only floats have", arguments: [1, 3, 4])
    func smallBlocks(blockSize: Int) throws {
        let shape = Shape(type: .f32, dimension: 20, blockSize: blockSize, window: 9)
        let attention = try AttentionCase(shape, lengths: [1, 21], queryCount: 4)
        let expected = attention.reference()
        for set in Self.instructionSets {
            let found = attention.run(try attention.workers(threadCount: 2, instructionSet: set))
            #expect(found == expected, "\(set.rawValue)")
        }
    }

    @Test("a prompt gives the same bits whole, in parts and token by token", arguments: CacheType.allCases)
    func parts(type: CacheType) throws {
        for (heads, window) in [(7, nil), (1, 40), (3, 290)] as [(Int, Int?)] {
            let shape = Shape(type: type, headsPerKeyValueHead: heads, dimension: 32, window: window)
            let attention = try AttentionCase(shape, lengths: [300, 9, 530], queryCount: 300)
            let workers = try attention.workers(threadCount: 2)
            let whole = attention.run(workers)
            for step in [1, 7, 64] { #expect(attention.run(workers, step: step) == whole, "\(shape), by \(step)") }
        }
    }

    @Test(
        "a long context cut into chunks for idle threads gives the same bits",
        arguments: [CacheType.bf16, .q8_0], [nil, 700])
    func chunks(type: CacheType, window: Int?) throws {
        let shape = Shape(type: type, headsPerKeyValueHead: 7, dimension: 48, window: window)
        let attention = try AttentionCase(shape, lengths: [1024, 1025, 2100], queryCount: 1)
        for set in Self.instructionSets {
            let expected = attention.run(try attention.workers(threadCount: 1, instructionSet: set))
            let workers = try attention.workers(threadCount: 8, instructionSet: set)
            #expect(attention.run(workers, cutsChunks: true) == expected, "\(set.rawValue), together")
            #expect(attention.run(workers, step: 1, cutsChunks: true) == expected, "\(set.rawValue), one by one")
        }
    }

    /// Bounds of the relative error (root mean square) against double precision on the same cache. Of `bf16` it is that of the
    /// rounded queries and weights.
    static let bounds: [(CacheType, Double)] = [(.f32, 2e-6), (.bf16, 4e-3), (.q8_0, 2e-4)]

    @Test("is near to double precision", arguments: bounds, [Float(1), 6])
    func accuracy(bound: (type: CacheType, error: Double), largestQuery: Float) throws {
        for dimension in [16, 64, 128] {
            let shape = Shape(type: bound.type, headsPerKeyValueHead: 2, dimension: dimension)
            let attention = try AttentionCase(
                shape, lengths: [40, 300], queryCount: 1, largestQuery: largestQuery)
            let found = attention.run(try attention.workers(threadCount: 1))
            let exact = attention.exact()
            let difference = zip(found, exact).map { (Double($0) - $1) * (Double($0) - $1) }.reduce(0, +)
            let size = exact.map { $0 * $0 }.reduce(0, +)
            #expect((difference / size).squareRoot() < bound.error, "\(shape)")
        }
    }

    @Test("scratch grows with the context only for floats")
    func scratch() {
        func floats(_ type: CacheType, _ context: Int) -> Int {
            Workers.attentionScratch(contextCount: context, headsPerKeyValueHead: 7, headDimension: 64, type: type)
        }
        #expect(floats(.f32, 1000) == 7000)
        for type in [CacheType.bf16, .q8_0] { #expect(floats(type, 100) == floats(type, 100_000)) }
    }
}
