/// Finds the lowest of the `rank` highest values of a row: a heap of the best so far, the lowest on top, which few values
/// of a long row get into.
struct HighestValues {
    private var heap: [Float] = []

    /// The `rank`-th highest value; −∞ where there are no more than `rank`.
    ///
    /// - Requires: `rank` > 0, no NaN.
    mutating func threshold(_ row: ScoreRow, rank: Int) -> Float {
        guard rank < row.count else { return -.infinity }
        let floor = row.floor(rank: rank, &self)
        heap.removeAll(keepingCapacity: true)
        row.walk(
            where: { $0 .>= (heap.count < rank ? floor : heap[0]) },
            visit: { start, _ in
                for value in row.values[start..<min(start + Lanes.scalarCount, row.count)] where value >= floor {
                    insert(value, rank: rank)
                }
            })
        return heap[0]
    }

    private mutating func insert(_ value: Float, rank: Int) {
        if heap.count < rank {
            heap.append(value)
            guard heap.count == rank else { return }
            for index in stride(from: rank / 2 - 1, through: 0, by: -1) { siftDown(from: index) }
        } else if value > heap[0] {
            heap[0] = value
            siftDown(from: 0)
        }
    }

    private mutating func siftDown(from start: Int) {
        var parent = start
        while true {
            var least = 2 * parent + 1
            guard least < heap.count else { return }
            if least + 1 < heap.count, heap[least + 1] < heap[least] { least += 1 }
            guard heap[least] < heap[parent] else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
