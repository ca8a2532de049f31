import InferenceTypes

/// Byte strings by id over one flat buffer.
struct ByteStrings: Sendable {
    private(set) var blob: [UInt8] = []
    private var starts: [Int] = [0]

    init(capacity: Int = 0, byteCapacity: Int = 0) {
        starts.reserveCapacity(capacity + 1)
        blob.reserveCapacity(byteCapacity)
    }

    var count: Int { starts.count - 1 }

    mutating func append(_ bytes: some Collection<UInt8>) {
        blob.append(contentsOf: bytes)
        starts.append(blob.count)
    }

    /// - Requires: an id below `count`, not negative.
    @inline(__always)
    func range(_ id: Int) -> Range<Int> { starts[id]..<starts[id + 1] }

    /// The string of an id; empty for an id out of range.
    subscript(_ id: TokenID) -> ArraySlice<UInt8> {
        guard id >= 0, Int(id) < count else { return [] }
        return blob[range(Int(id))]
    }
}
