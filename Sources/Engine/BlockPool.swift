import InferenceTypes

/// Counts who holds which KV block, and remembers which prefix is in it. Never sees what is in one.
///
/// A full block that was computed is registered: it is never written again, whoever begins with the same tokens holds it,
/// too, and once nobody does it stays findable until it is needed.
struct BlockPool {
    private var referenceCounts: [Int32]
    private var free: EvictionQueue
    private var index: PrefixIndex

    init(blockCount: Int) {
        referenceCounts = Array(repeating: 0, count: blockCount)
        free = EvictionQueue(blockCount: blockCount)
        index = PrefixIndex(blockCount: blockCount)
    }

    var blockCount: Int { referenceCounts.count }
    /// Blocks that nobody holds, findable or not.
    var freeCount: Int { free.count }
    /// Free blocks in which a prefix can be found.
    var cachedCount: Int { free.count - free.count(.blank) }

    func referenceCount(of block: Int32) -> Int { Int(referenceCounts[Int(block)]) }

    func isRegistered(_ block: Int32) -> Bool { index[block] != nil }

    /// A block for one holder, nil when none is free. What could be found in it cannot any more.
    mutating func allocate() -> Int32? {
        guard let block = free.popFirst() else { return nil }
        index.remove(block)
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

    /// One holder less of each block of a table. The tail is freed before the head, and so given out before it: without
    /// the head nobody finds the tail.
    ///
    /// - Parameter keepsPrefixes: what becomes free stays findable.
    mutating func release(_ table: [Int32], keepsPrefixes: Bool = true) {
        for block in table.reversed() {
            precondition(referenceCounts[Int(block)] > 0, "a free block cannot be released")
            referenceCounts[Int(block)] -= 1
            guard referenceCounts[Int(block)] == 0 else { continue }
            if !keepsPrefixes { index.remove(block) }
            free.append(block, to: index[block].map { $0.isReused ? .reused : .once } ?? .blank)
        }
    }
}

// MARK: - Prefixes

extension BlockPool {
    /// The registered blocks that a sequence of these tokens begins with, as far as they go.
    func prefix(of tokens: [TokenID], _ scope: PrefixScope, blockSize: Int) -> [Int32] {
        var table: [Int32] = []
        while (table.count + 1) * blockSize <= tokens.count, let parent = index.parent(table.last, scope) {
            let start = table.count * blockSize
            let key = PrefixKey(parent: parent, tokens: Array(tokens[start..<start + blockSize]))
            guard let block = index.block(key) else { break }
            table.append(block)
        }
        return table
    }

    /// One more holder of each block of a prefix that was found.
    mutating func take(_ prefix: [Int32]) {
        for block in prefix {
            if referenceCounts[Int(block)] == 0 { free.remove(block) }
            referenceCounts[Int(block)] += 1
            index.markReused(block)
        }
    }

    /// Makes a full block findable. Where another one holds the same, that one is held instead and this one is free.
    ///
    /// - Parameters:
    ///   - parent: the block before it in the sequence, nil for the first.
    ///   - tokens: those that the block holds.
    /// - Returns: the block that holds them from now on.
    mutating func register(
        _ block: Int32, after parent: Int32?, tokens: ArraySlice<TokenID>, _ scope: PrefixScope
    ) -> Int32 {
        guard index[block] == nil else { return block }
        guard let parent = index.parent(parent, scope) else {
            preconditionFailure("full blocks are registered in their order")
        }
        let key = PrefixKey(parent: parent, tokens: Array(tokens))
        guard let other = index.block(key) else {
            index.insert(block, key)
            return block
        }
        precondition(referenceCounts[Int(block)] == 1, "a block that was just filled has one holder")
        if referenceCounts[Int(other)] == 0 { free.remove(other) }
        referenceCounts[Int(other)] += 1
        index.markReused(other)
        release([block])
        return other
    }

    /// What was noted beside a registered block.
    func scores(of block: Int32) -> PromptScores? { index[block]?.scores }

    mutating func note(_ scores: PromptScores, of block: Int32) { index.note(scores, of: block) }

    /// What a registered block holds.
    func registration(of block: Int32) -> PrefixIndex.Registration? { index[block] }
}

// MARK: - Invariants

extension BlockPool {
    /// Each block is free once and held by nobody, or not free and held; what can be found is where the index says. True,
    /// so that it stands in an `assert`.
    func checkInvariants() -> Bool {
        var registeredCount = 0
        for (block, count) in referenceCounts.enumerated() {
            let isFree = free.contains(Int32(block))
            precondition(isFree == (count == 0), "block \(block) is held \(count) times, free: \(isFree)")
            guard let registration = index[Int32(block)] else { continue }
            registeredCount += 1
            precondition(index.block(registration.key) == Int32(block), "block \(block) is found elsewhere")
        }
        precondition(registeredCount == index.count)
        return true
    }
}
