import Glibc
package import InferenceTypes

/// Tokens that may still be drawn, with their weights: what each filter takes and leaves.
///
/// Reused from token to token; its memory grows to the vocabulary once. All sums run in the order of the entries, which
/// depends on the row and the parameters alone.
package struct Candidates {
    struct Entry {
        var id: TokenID
        /// Logit over temperature, less the highest of them: at most 0.
        var score: Float
        /// `exp(score)`: 1 for the most probable token.
        var weight: Float
    }

    private(set) var entries: [Entry] = []
    private var highest: [Float] = []

    package init() {}

    package var count: Int { entries.count }
    package var ids: [TokenID] { entries.map(\.id) }

    /// Probability of each entry: softmax over those that are left.
    package var probabilities: [Float] {
        let total = totalWeight
        return entries.map { Float(Double($0.weight) / total) }
    }

    /// In double precision, so that the sum over a vocabulary does not lose its small members.
    private var totalWeight: Double { entries.reduce(0) { $0 + Double($1.weight) } }

    /// Takes in a row: its `topK` highest logits and all that tie with the last of them (nil: all), in order of id.
    ///
    /// The maximum is subtracted before the division, so that no temperature overflows.
    ///
    /// - Requires: `maximum` is the row's, `temperature` > 0, `topK` > 0.
    package mutating func load(
        _ logits: UnsafeBufferPointer<Float>, maximum: Float, temperature: Float, topK: Int?
    ) {
        entries.removeAll(keepingCapacity: true)
        let least = topK.map { threshold(logits, rank: $0) } ?? -.infinity
        for (id, logit) in logits.enumerated() where logit >= least && logit > -.infinity {
            let score = (logit - maximum) / temperature
            entries.append(Entry(id: TokenID(id), score: score, weight: expf(score)))
        }
    }

    /// Keeps the most probable tokens until their mass reaches `topP`, the crossing one included. Leaves them in
    /// falling order, ties by rising id.
    ///
    /// A heap gives them up one by one, so that a short head of a long vocabulary is never sorted with its tail. Most
    /// of the tail does not get into it: n tokens that are each below 1/n of the mass to drop cannot fill that mass.
    /// (Half of that leaves room for rounding.)
    package mutating func keepTopP(_ topP: Float) {
        let total = totalWeight
        let target = Double(topP) * total
        let floor = (total - target) / Double(2 * entries.count)
        entries.removeAll { Double($0.weight) < floor }
        makeHeap()
        var heapCount = entries.count
        var mass = 0.0
        while heapCount > 0, mass < target {
            mass += Double(entries[0].weight)
            heapCount -= 1
            entries.swapAt(0, heapCount)
            siftDown(from: 0, count: heapCount)
        }
        entries.removeSubrange(0..<heapCount)
        entries.reverse()
    }

    /// Drops tokens that are less probable than `minP` × the most probable one.
    package mutating func keepMinP(_ minP: Float) {
        entries.removeAll { $0.weight < minP }
    }

    /// The entry at which the cumulative probability passes `uniform`; the last possible one where rounding passes
    /// none.
    ///
    /// - Requires: `uniform` in `0 ..< 1`; not empty.
    package func draw(_ uniform: Float) -> TokenID {
        let target = Double(uniform) * totalWeight
        var cumulative = 0.0
        var last = entries[0].id
        for entry in entries where entry.weight > 0 {
            cumulative += Double(entry.weight)
            last = entry.id
            if cumulative > target { break }
        }
        return last
    }
}

// MARK: - Selection

extension Candidates {
    /// The `rank`-th highest logit, −∞ where there are no more than `rank`: a heap of the best so far, lowest on top.
    private mutating func threshold(_ logits: UnsafeBufferPointer<Float>, rank: Int) -> Float {
        guard rank < logits.count else { return -.infinity }
        highest.removeAll(keepingCapacity: true)
        highest.append(contentsOf: logits[0..<rank])
        for index in stride(from: rank / 2 - 1, through: 0, by: -1) { siftDownHighest(from: index) }
        for logit in logits[rank...] where logit > highest[0] {
            highest[0] = logit
            siftDownHighest(from: 0)
        }
        return highest[0]
    }

    private mutating func siftDownHighest(from start: Int) {
        var parent = start
        while true {
            var least = 2 * parent + 1
            guard least < highest.count else { return }
            if least + 1 < highest.count, highest[least + 1] < highest[least] { least += 1 }
            guard highest[least] < highest[parent] else { return }
            highest.swapAt(parent, least)
            parent = least
        }
    }

    private mutating func makeHeap() {
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) {
            siftDown(from: index, count: entries.count)
        }
    }

    private mutating func siftDown(from start: Int, count: Int) {
        var parent = start
        while true {
            var best = 2 * parent + 1
            guard best < count else { return }
            if best + 1 < count, Self.precedes(entries[best + 1], entries[best]) { best += 1 }
            guard Self.precedes(entries[best], entries[parent]) else { return }
            entries.swapAt(parent, best)
            parent = best
        }
    }

    private static func precedes(_ left: Entry, _ right: Entry) -> Bool {
        left.score != right.score ? left.score > right.score : left.id < right.id
    }
}
