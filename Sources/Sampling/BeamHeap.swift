import InferenceTypes

/// The best candidates so far, at most `capacity`, the worst on top: each other element of a vocabulary costs one
/// comparison, sixteen at a time.
struct BeamHeap {
    private var entries: [BeamCandidate] = []
    private var capacity = 0

    /// Forgets all and takes so many from now on.
    mutating func reset(capacity: Int) {
        entries.removeAll(keepingCapacity: true)
        self.capacity = capacity
    }

    /// What a candidate must exceed. Equal ones came earlier and win, since rows and tokens come in rising order.
    private var threshold: Float {
        entries.count < capacity ? -.infinity : entries[0].score
    }

    /// Takes the candidates `((value − maximum) − logSum) + running` of a row.
    ///
    /// −∞ and NaN are no candidates.
    ///
    /// - Requires: rows come in rising order.
    mutating func scan(
        _ values: ScoreRow, _ normaliser: BeamNormaliser, running: Float, row: Int
    ) {
        var threshold = threshold
        values.walk(
            where: { normaliser($0) + running .> threshold },
            visit: { start, lanes in
                let scores = normaliser(lanes) + running
                for lane in 0..<Lanes.scalarCount where scores[lane] > threshold {
                    insert(scores[lane], row: row, token: start + lane)
                    threshold = self.threshold
                }
            })
    }

    /// Moves all into `ranked`, best first, ties by row and token.
    mutating func drain(into ranked: inout [BeamCandidate]) {
        ranked.removeAll(keepingCapacity: true)
        ranked.append(contentsOf: entries)
        ranked.sort(by: BeamCandidate.precedes)
        entries.removeAll(keepingCapacity: true)
    }

    /// Sums that overflow stay finite.
    private mutating func insert(_ score: Float, row: Int, token: Int) {
        let candidate = BeamCandidate(
            row: Int32(row), token: TokenID(token), score: min(score, .greatestFiniteMagnitude))
        guard entries.count == capacity else {
            entries.append(candidate)
            return siftUp()
        }
        entries[0] = candidate
        siftDown()
    }

    private mutating func siftUp() {
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard BeamCandidate.precedes(entries[parent], entries[child]) else { return }
            entries.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var worst = 2 * parent + 1
            guard worst < entries.count else { return }
            if worst + 1 < entries.count, BeamCandidate.precedes(entries[worst], entries[worst + 1]) { worst += 1 }
            guard BeamCandidate.precedes(entries[parent], entries[worst]) else { return }
            entries.swapAt(parent, worst)
            parent = worst
        }
    }
}
