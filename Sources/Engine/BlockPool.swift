import DequeModule

/// Counts who holds which KV block. Never sees what is in one.
struct BlockPool {
    private var referenceCounts: [Int32]
    /// Free blocks in the order in which they are given out: longest free first.
    private var free: Deque<Int32>

    init(blockCount: Int) {
        referenceCounts = Array(repeating: 0, count: blockCount)
        free = Deque((0..<blockCount).map { Int32($0) })
    }

    var blockCount: Int { referenceCounts.count }
    var freeCount: Int { free.count }

    func referenceCount(of block: Int32) -> Int { Int(referenceCounts[Int(block)]) }

    /// A block for one holder, nil when none is free.
    mutating func allocate() -> Int32? {
        guard let block = free.popFirst() else { return nil }
        referenceCounts[Int(block)] = 1
        return block
    }

    /// One more holder of each block of a table: a fork.
    mutating func retain(_ table: [Int32]) {
        for block in table {
            precondition(referenceCounts[Int(block)] > 0, "a free block cannot be retained")
            referenceCounts[Int(block)] += 1
        }
    }

    /// One holder less of each block of a table. The tail is freed before the head, and so given out before it: a kept
    /// head is worth more, because more sequences begin with it.
    mutating func release(_ table: [Int32]) {
        for block in table.reversed() {
            precondition(referenceCounts[Int(block)] > 0, "a free block cannot be released")
            referenceCounts[Int(block)] -= 1
            if referenceCounts[Int(block)] == 0 { free.append(block) }
        }
    }

    /// Each block is free once and held by nobody, or not free and held. True, so that it stands in an `assert`.
    func checkInvariants() -> Bool {
        var isFree = Array(repeating: false, count: blockCount)
        for block in free {
            precondition(!isFree[Int(block)], "block \(block) is free twice")
            isFree[Int(block)] = true
        }
        for (block, count) in referenceCounts.enumerated() {
            precondition(isFree[block] == (count == 0), "block \(block) is held \(count) times, free: \(isFree[block])")
        }
        return true
    }
}
