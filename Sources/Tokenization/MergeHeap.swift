/// Merges that may be made, the next one on top: the lowest rank, and the leftmost of those.
///
/// Four children to a node, since a cache line holds them; only keys, since what is stale is told by its rank.
struct MergeHeap {
    /// Rank in the upper half, position in the lower.
    private var keys: [UInt64] = []

    mutating func removeAll() { keys.removeAll(keepingCapacity: true) }

    @inline(__always)
    private static func key(_ rank: UInt32, _ position: Int) -> UInt64 {
        UInt64(rank) << 32 | UInt64(UInt32(truncatingIfNeeded: position))
    }

    /// Puts a merge in without ordering; `heapify` follows.
    mutating func stage(rank: UInt32, position: Int) { keys.append(Self.key(rank, position)) }

    mutating func heapify() {
        guard keys.count > 1 else { return }
        keys.withUnsafeMutableBufferPointer { keys in
            for index in stride(from: (keys.count - 2) / 4, through: 0, by: -1) { Self.siftDown(keys, index) }
        }
    }

    mutating func push(rank: UInt32, position: Int) {
        let key = Self.key(rank, position)
        keys.append(key)
        keys.withUnsafeMutableBufferPointer { keys in
            var index = keys.count - 1
            while index > 0 {
                let parent = (index - 1) / 4
                guard key < keys[parent] else { break }
                keys[index] = keys[parent]
                index = parent
            }
            keys[index] = key
        }
    }

    mutating func pop() -> (rank: UInt32, position: Int)? {
        guard let first = keys.first, let last = keys.popLast() else { return nil }
        if !keys.isEmpty {
            keys[0] = last
            keys.withUnsafeMutableBufferPointer { Self.siftDown($0, 0) }
        }
        return (UInt32(truncatingIfNeeded: first >> 32), Int(UInt32(truncatingIfNeeded: first)))
    }

    @inline(__always)
    private static func siftDown(_ keys: UnsafeMutableBufferPointer<UInt64>, _ start: Int) {
        let key = keys[start]
        var index = start
        while true {
            let first = 4 * index + 1
            guard first < keys.count else { break }
            var least = first
            for child in first + 1..<max(min(first + 4, keys.count), first + 1) where keys[child] < keys[least] {
                least = child
            }
            guard keys[least] < key else { break }
            keys[index] = keys[least]
            index = least
        }
        keys[index] = key
    }
}
