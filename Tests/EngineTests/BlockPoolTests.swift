import Testing

@testable import Engine

struct BlockPoolTests {
    @Test("blocks are given out in order and come back tail first, behind those that are free longer")
    func order() {
        var pool = BlockPool(blockCount: 5)
        let table = [pool.allocate(), pool.allocate(), pool.allocate()].compactMap(\.self)
        #expect(table == [0, 1, 2])
        pool.release(table)
        #expect((0..<5).compactMap { _ in pool.allocate() } == [3, 4, 2, 1, 0])
        #expect(pool.allocate() == nil)
        #expect(pool.checkInvariants())
    }

    @Test("a block with two holders is free after the second release")
    func sharing() {
        var pool = BlockPool(blockCount: 3)
        let table = [pool.allocate(), pool.allocate()].compactMap(\.self)
        pool.retain(table)
        #expect(pool.referenceCount(of: 0) == 2)
        pool.release(table)
        #expect(pool.freeCount == 1)
        pool.release(table)
        #expect(pool.freeCount == 3)
        #expect(pool.checkInvariants())
    }
}
