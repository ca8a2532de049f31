/// Finds the lowest of the `rank` highest values of a row: a heap of the best so far, the lowest on top, which few values
/// of a long row get into.
struct HighestValues {
    private var heap: [Float] = []

    /// The `rank`-th highest value; −∞ where there are no more than `rank`.
    ///
    /// - Requires: `rank` > 0, no NaN.
    mutating func threshold(_ values: UnsafeBufferPointer<Float>, rank: Int) -> Float {
        guard rank < values.count else { return -.infinity }
        heap.removeAll(keepingCapacity: true)
        heap.append(contentsOf: values[..<rank])
        for index in stride(from: rank / 2 - 1, through: 0, by: -1) { siftDown(from: index) }
        let rest = UnsafeBufferPointer(rebasing: values[rank...])
        for start in rest.laneStarts where any(rest.lanes(at: start) .> heap[0]) {
            for value in rest[start..<min(start + Lanes.scalarCount, rest.count)] where value > heap[0] {
                heap[0] = value
                siftDown(from: 0)
            }
        }
        return heap[0]
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
