import InferenceTypes

/// Pieces by id and ids by piece, over one flat buffer. Ids may have holes; a hole has the empty piece.
struct PieceTable: Sendable {
    private var strings: ByteStrings
    /// Open addressing; -1 is a free slot.
    private var slots: [TokenID]
    /// Longest piece that can be found, in bytes.
    private(set) var longestByteCount = 0

    /// Pieces of a file differ by what an attacker likes, so the hash is seeded per process.
    private static let seed = UInt64.random(in: .min ... .max)

    /// - Parameter pieces: by id; empty ones are holes.
    /// - Parameter isFindable: whether text may become this id; of equal findable pieces `find` gives the first.
    init(_ pieces: [[UInt8]], isFindable: (Int) -> Bool = { _ in true }) {
        strings = ByteStrings(capacity: pieces.count, byteCapacity: pieces.reduce(0) { $0 + $1.count })
        var slotCount = 16
        while slotCount < pieces.count * 2 { slotCount *= 2 }
        slots = [TokenID](repeating: -1, count: slotCount)
        for (id, piece) in pieces.enumerated() {
            strings.append(piece)
            if !piece.isEmpty, isFindable(id) { insert(id) }
        }
    }

    var count: Int { strings.count }

    /// The piece of an id; empty for a hole or an id out of range.
    subscript(_ id: TokenID) -> ArraySlice<UInt8> { strings[id] }

    private mutating func insert(_ id: Int) {
        let range = strings.range(id)
        let slot = strings.blob.withUnsafeBufferPointer { blob -> Int? in
            let piece = UnsafeBufferPointer(rebasing: blob[range])
            let slot = probe(piece, in: blob)
            return slots[slot] < 0 ? slot : nil
        }
        longestByteCount = max(longestByteCount, range.count)
        if let slot { slots[slot] = TokenID(id) }
    }

    /// The slot that holds the piece, or the free slot where it would go.
    @inline(__always)
    private func probe(_ piece: UnsafeBufferPointer<UInt8>, in blob: UnsafeBufferPointer<UInt8>) -> Int {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: Self.hash(piece)) & mask
        while true {
            let id = slots[slot]
            if id < 0 { return slot }
            let range = strings.range(Int(id))
            if range.count == piece.count, Self.equal(piece, blob, at: range.lowerBound) { return slot }
            slot = (slot + 1) & mask
        }
    }

    /// The id that text may become, nil when there is no such piece.
    func find(_ piece: UnsafeBufferPointer<UInt8>) -> TokenID? {
        guard !piece.isEmpty, piece.count <= longestByteCount else { return nil }
        let id = strings.blob.withUnsafeBufferPointer { blob in slots[probe(piece, in: blob)] }
        return id < 0 ? nil : id
    }

    func find(_ piece: [UInt8]) -> TokenID? { piece.withUnsafeBufferPointer { find($0) } }

    private static func equal(
        _ piece: UnsafeBufferPointer<UInt8>, _ blob: UnsafeBufferPointer<UInt8>, at start: Int
    ) -> Bool {
        for index in 0..<piece.count where piece[index] != blob[start + index] { return false }
        return true
    }

    private static func hash(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var state = seed ^ UInt64(bytes.count)
        var index = 0
        while index < bytes.count {
            var word: UInt64 = 0
            let end = min(index + 8, bytes.count)
            while index < end {
                word = word << 8 | UInt64(bytes[index])
                index += 1
            }
            let (high, low) = (state ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
            state = high ^ low
        }
        return state
    }
}
