/// A merge that may be made: of the symbol at `position` with its right neighbour.
struct MergeCandidate {
    /// Rank in the upper half, position in the lower: the smallest is the next merge, leftmost first on a tie.
    var key: UInt64
    /// What the merge makes, to tell when a neighbour has changed since.
    var check: Int32

    @inline(__always)
    init(rank: UInt32, position: Int, check: Int32) {
        key = UInt64(rank) << 32 | UInt64(truncatingIfNeeded: position)
        self.check = check
    }

    var position: Int { Int(truncatingIfNeeded: key & 0xFFFF_FFFF) }
}

/// A binary heap with the smallest key on top.
struct MergeHeap {
    private var items: [MergeCandidate] = []

    mutating func removeAll() { items.removeAll(keepingCapacity: true) }

    /// Puts a candidate in without ordering; `heapify` follows.
    mutating func stage(_ item: MergeCandidate) { items.append(item) }

    mutating func heapify() {
        items.withUnsafeMutableBufferPointer { items in
            for index in stride(from: items.count / 2 - 1, through: 0, by: -1) { Self.siftDown(items, index) }
        }
    }

    mutating func push(_ item: MergeCandidate) {
        items.append(item)
        items.withUnsafeMutableBufferPointer { items in
            var index = items.count - 1
            while index > 0 {
                let parent = (index - 1) / 2
                guard item.key < items[parent].key else { break }
                items[index] = items[parent]
                index = parent
            }
            items[index] = item
        }
    }

    mutating func pop() -> MergeCandidate? {
        guard let first = items.first, let last = items.popLast() else { return nil }
        guard !items.isEmpty else { return first }
        items[0] = last
        items.withUnsafeMutableBufferPointer { Self.siftDown($0, 0) }
        return first
    }

    @inline(__always)
    private static func siftDown(_ items: UnsafeMutableBufferPointer<MergeCandidate>, _ start: Int) {
        let item = items[start]
        var index = start
        while true {
            var child = 2 * index + 1
            guard child < items.count else { break }
            if child + 1 < items.count, items[child + 1].key < items[child].key { child += 1 }
            guard items[child].key < item.key else { break }
            items[index] = items[child]
            index = child
        }
        items[index] = item
    }
}
