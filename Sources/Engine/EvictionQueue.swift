/// Blocks that nobody holds, in the order in which they are given out again: those that hold nothing, then those whose
/// prefix was never asked for again, then the others; in each class the one that was freed first.
///
/// Two classes, so that a flood of new prompts wears out its own blocks and not the prefixes that others come back for.
///
/// - Source: segmented LRU, Karedla et al. 1994.
struct EvictionQueue {
    enum Class: Int, CaseIterable {
        /// No prefix can be found in it.
        case blank
        /// Its prefix was computed and never found again.
        case once
        /// Its prefix was found again.
        case reused
    }

    /// Rings of one sentinel for each class, after the blocks.
    private var next: [Int32]
    private var previous: [Int32]
    private var classes: [Class?]
    private var counts = Array(repeating: 0, count: Class.allCases.count)
    private let blockCount: Int
    /// Reused blocks beyond these are no better than others.
    ///
    /// - Source: four fifths, as Caffeine gives its protected segment.
    private var maxReusedCount: Int { blockCount * 4 / 5 }

    /// All blocks are blank.
    init(blockCount: Int) {
        self.blockCount = blockCount
        next = (0..<Int32(blockCount + Class.allCases.count)).map { $0 }
        previous = next
        classes = Array(repeating: nil, count: blockCount)
        for block in 0..<Int32(blockCount) { append(block, to: .blank) }
    }

    var count: Int { counts.reduce(0, +) }

    func count(_ kind: Class) -> Int { counts[kind.rawValue] }

    func contains(_ block: Int32) -> Bool { classes[Int(block)] != nil }

    mutating func append(_ block: Int32, to kind: Class) {
        precondition(!contains(block), "a block is free once")
        link(block, kind)
        if kind == .reused, count(.reused) > maxReusedCount, let oldest = first(.reused) {
            remove(oldest)
            link(oldest, .once)
        }
    }

    mutating func remove(_ block: Int32) {
        guard let kind = classes[Int(block)] else { preconditionFailure("only a free block can be taken") }
        let (before, after) = (previous[Int(block)], next[Int(block)])
        next[Int(before)] = after
        previous[Int(after)] = before
        classes[Int(block)] = nil
        counts[kind.rawValue] -= 1
    }

    mutating func popFirst() -> Int32? {
        for kind in Class.allCases {
            guard let block = first(kind) else { continue }
            remove(block)
            return block
        }
        return nil
    }

    private func sentinel(_ kind: Class) -> Int32 { Int32(blockCount + kind.rawValue) }

    private func first(_ kind: Class) -> Int32? { count(kind) == 0 ? nil : next[Int(sentinel(kind))] }

    private mutating func link(_ block: Int32, _ kind: Class) {
        let end = sentinel(kind)
        let last = previous[Int(end)]
        next[Int(last)] = block
        previous[Int(block)] = last
        next[Int(block)] = end
        previous[Int(end)] = block
        classes[Int(block)] = kind
        counts[kind.rawValue] += 1
    }
}
