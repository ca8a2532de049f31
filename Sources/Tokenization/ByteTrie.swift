/// A trie over bytes with a value at the end of each key.
struct ByteTrie: Sendable {
    private var roots = [Int32](repeating: -1, count: 256)
    /// Edges: node << 8 | byte → node.
    private var edges = IntegerTable(minimumCapacity: 64)
    /// Value of the key that ends at a node, -1 for none.
    private var values: [Int32] = []

    var isEmpty: Bool { values.isEmpty }

    /// Adds a key, which is not empty. A key that is there keeps its value.
    mutating func insert(_ key: some Collection<UInt8>, value: Int32) {
        guard let first = key.first else { return }
        if roots[Int(first)] < 0 { roots[Int(first)] = addNode() }
        var node = roots[Int(first)]
        for byte in key.dropFirst() {
            let edge = UInt64(node) << 8 | UInt64(byte)
            if let next = edges[edge] {
                node = Int32(truncatingIfNeeded: next)
            } else {
                let next = addNode()
                edges.insert(edge, UInt64(next))
                node = next
            }
        }
        if values[Int(node)] < 0 { values[Int(node)] = value }
    }

    private mutating func addNode() -> Int32 {
        values.append(-1)
        return Int32(values.count - 1)
    }

    /// The node after the first byte of a key, nil when no key starts so.
    @inline(__always)
    func start(_ byte: UInt8) -> Int32? {
        let node = roots[Int(byte)]
        return node < 0 ? nil : node
    }

    @inline(__always)
    func next(_ node: Int32, _ byte: UInt8) -> Int32? {
        edges[UInt64(node) << 8 | UInt64(byte)].map { Int32(truncatingIfNeeded: $0) }
    }

    @inline(__always)
    func value(_ node: Int32) -> Int32? {
        let value = values[Int(node)]
        return value < 0 ? nil : value
    }

    /// The longest key that `text` has at `position`.
    func longestMatch(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> (value: Int32, end: Int)? {
        guard var node = start(text[position]) else { return nil }
        var index = position + 1
        var best = value(node).map { (value: $0, end: index) }
        while index < text.count, let following = next(node, text[index]) {
            node = following
            index += 1
            if let value = value(node) { best = (value, index) }
        }
        return best
    }
}
