import InferenceTypes

/// The merges of a byte-pair encoding: which two ids become which one, and in what order of preference.
struct MergeTable: Sendable {
    private var table: IntegerTable

    init(minimumCapacity: Int) { table = IntegerTable(minimumCapacity: minimumCapacity) }

    var count: Int { table.count }

    /// Adds a merge; the first one of a pair counts.
    mutating func insert(_ left: TokenID, _ right: TokenID, rank: UInt32, merged: TokenID) {
        table.insert(Self.key(left, right), UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merged)))
    }

    @inline(__always)
    subscript(_ left: TokenID, _ right: TokenID) -> (rank: UInt32, merged: TokenID)? {
        guard let value = table[Self.key(left, right)] else { return nil }
        return (UInt32(truncatingIfNeeded: value >> 32), TokenID(truncatingIfNeeded: value))
    }

    @inline(__always)
    private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}
