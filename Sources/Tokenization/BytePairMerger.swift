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
    private var ranks: [UInt32] = []
    private var previous: [Int32] = []
    private var next: [Int32] = []
    private var heap = MergeHeap()

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
        for index in 0..<symbols.count - 1 { ranks.append(rank(index, merges)) }
        while let best = ranks.min(), best != Self.noMerge, let index = ranks.firstIndex(of: best) {
            guard let merge = merges[symbols[index], symbols[index + 1]] else { return }
            symbols[index] = merge.merged
            symbols.remove(at: index + 1)
            ranks.remove(at: index)
            if index < ranks.count { ranks[index] = rank(index, merges) }
            if index > 0 { ranks[index - 1] = rank(index - 1, merges) }
        }
    }

    private func rank(_ index: Int, _ merges: MergeTable) -> UInt32 {
        merges[symbols[index], symbols[index + 1]]?.rank ?? Self.noMerge
    }

    mutating func mergeByHeap(_ merges: MergeTable) {
        link()
        heap.removeAll()
        for index in 0..<symbols.count - 1 {
            if let candidate = candidate(index, merges) { heap.stage(candidate) }
        }
        heap.heapify()
        while let top = heap.pop() {
            let index = top.position
            guard symbols[index] >= 0, next[index] >= 0 else { continue }
            let right = Int(next[index])
            guard let merge = merges[symbols[index], symbols[right]], merge.merged == top.check else { continue }
            symbols[index] = merge.merged
            symbols[right] = -1
            next[index] = next[right]
            if next[right] >= 0 { previous[Int(next[right])] = Int32(index) }
            if let candidate = candidate(index, merges) { heap.push(candidate) }
            if previous[index] >= 0, let candidate = candidate(Int(previous[index]), merges) { heap.push(candidate) }
        }
        symbols.removeAll { $0 < 0 }
    }

    private mutating func link() {
        let count = Int32(symbols.count)
        previous.removeAll(keepingCapacity: true)
        next.removeAll(keepingCapacity: true)
        for index in 0..<count {
            previous.append(index - 1)
            next.append(index + 1 < count ? index + 1 : -1)
        }
    }

    @inline(__always)
    private func candidate(_ index: Int, _ merges: MergeTable) -> MergeCandidate? {
        let right = next[index]
        guard right >= 0, let merge = merges[symbols[index], symbols[Int(right)]] else { return nil }
        return MergeCandidate(rank: merge.rank, position: index, check: merge.merged)
    }
}
