import InferenceTypes

/// Merges the symbols of one word: the pair with the lowest rank first, the leftmost on a tie, until none is left.
///
/// Buffers are kept from word to word. Short words are scanned, long ones use a linked list and a heap, so that any
/// word takes O(n log n).
///
/// - Source: Sennrich et al. 2016; order of merges as in Hugging Face tokenizers.
struct BytePairMerger {
    /// The word: filled by the caller, then merged in place.
    var symbols: [TokenID] = []
    /// For each symbol the rank of its merge with the next one, and what that makes.
    private var ranks: [UInt32] = []
    private var merged: [TokenID] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    private var heap = MergeHeap()
    /// Merges that the heap has given, stale ones too: what a test bounds.
    private(set) var operationCount = 0

    /// Up to this many symbols scanning for the best pair is faster than a heap (measured: break-even near 40).
    private static let scanLimit = 32
    private static let noMerge = UInt32.max

    mutating func merge(_ merges: MergeTable) {
        if symbols.count < 2 { return }
        if symbols.count <= Self.scanLimit { mergeByScanning(merges) } else { mergeByHeap(merges) }
    }

    /// The plain version: quadratic, for short words; a test holds the heap against it.
    mutating func mergeByScanning(_ merges: MergeTable) {
        ranks.removeAll(keepingCapacity: true)
        merged.removeAll(keepingCapacity: true)
        for index in 0..<max(symbols.count - 1, 0) {
            let merge = merges[symbols[index], symbols[index + 1]]
            ranks.append(merge?.rank ?? Self.noMerge)
            merged.append(merge?.merged ?? -1)
        }
        while let index = indexOfBest() {
            symbols[index] = merged[index]
            symbols.remove(at: index + 1)
            ranks.remove(at: index)
            merged.remove(at: index)
            if index < ranks.count { lookUp(index, index + 1, merges) }
            if index > 0 { lookUp(index - 1, index, merges) }
        }
    }

    private func indexOfBest() -> Int? {
        var best = Self.noMerge
        var place: Int?
        for (index, rank) in ranks.enumerated() where rank < best { (best, place) = (rank, index) }
        return place
    }

    @inline(__always)
    private mutating func lookUp(_ index: Int, _ right: Int, _ merges: MergeTable) {
        let merge = merges[symbols[index], symbols[right]]
        ranks[index] = merge?.rank ?? Self.noMerge
        merged[index] = merge?.merged ?? -1
    }

    mutating func mergeByHeap(_ merges: MergeTable) {
        link(merges)
        while let top = heap.pop() {
            operationCount += 1
            let index = top.position
            // A merge that a neighbour's merge has undone has another rank by now, or none.
            guard ranks[index] == top.rank else { continue }
            let right = Int(next[index])
            let after = next[right]
            symbols[index] = merged[index]
            symbols[right] = -1
            ranks[right] = Self.noMerge
            next[index] = after
            if after >= 0 {
                previous[Int(after)] = Int32(index)
                offer(index, Int(after), merges)
            } else {
                ranks[index] = Self.noMerge
            }
            if previous[index] >= 0 { offer(Int(previous[index]), index, merges) }
        }
        symbols.removeAll { $0 < 0 }
    }

    @inline(__always)
    private mutating func offer(_ index: Int, _ right: Int, _ merges: MergeTable) {
        lookUp(index, right, merges)
        if ranks[index] != Self.noMerge { heap.push(rank: ranks[index], position: index) }
    }

    /// Links neighbours and puts every first merge on the heap.
    private mutating func link(_ merges: MergeTable) {
        let count = symbols.count
        previous = (0..<Int32(count)).map { $0 - 1 }
        next = (0..<Int32(count)).map { Int($0) + 1 < count ? $0 + 1 : -1 }
        ranks = [UInt32](repeating: Self.noMerge, count: count)
        merged = [TokenID](repeating: -1, count: count)
        heap.removeAll()
        for index in 0..<max(count - 1, 0) {
            lookUp(index, index + 1, merges)
            if ranks[index] != Self.noMerge { heap.stage(rank: ranks[index], position: index) }
        }
        heap.heapify()
    }
}
