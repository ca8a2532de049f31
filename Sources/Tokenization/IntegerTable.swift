/// A map from 64-bit keys to 64-bit values with open addressing: for pairs of ids and edges of a trie, where a
/// `Dictionary` would hash each key with SipHash. Keys come from model files, so the hash is seeded per process.
struct IntegerTable: Sendable {
    private var keys: [UInt64]
    private var values: [UInt64]
    private(set) var count = 0

    /// Marks a free slot; no caller uses it as a key.
    private static let free = UInt64.max
    private static let seed = UInt64.random(in: .min ... .max) | 1

    init(minimumCapacity: Int) {
        var slots = 16
        while slots < minimumCapacity * 2 { slots *= 2 }
        keys = [UInt64](repeating: Self.free, count: slots)
        values = [UInt64](repeating: 0, count: slots)
    }

    @inline(__always)
    private static func slot(_ key: UInt64, mask: Int) -> Int {
        let (high, low) = (key ^ seed).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: high ^ low) & mask
    }

    @inline(__always)
    subscript(_ key: UInt64) -> UInt64? {
        keys.withUnsafeBufferPointer { keys in
            let mask = keys.count - 1
            var index = Self.slot(key, mask: mask)
            while true {
                let found = keys[index]
                if found == key { return values[index] }
                if found == Self.free { return nil }
                index = (index + 1) & mask
            }
        }
    }

    /// Inserts a pair unless the key is there. Returns whether it was inserted.
    @discardableResult
    mutating func insert(_ key: UInt64, _ value: UInt64) -> Bool {
        if (count + 1) * 2 > keys.count { grow() }
        let mask = keys.count - 1
        var index = Self.slot(key, mask: mask)
        while keys[index] != Self.free {
            if keys[index] == key { return false }
            index = (index + 1) & mask
        }
        keys[index] = key
        values[index] = value
        count += 1
        return true
    }

    private mutating func grow() {
        var larger = IntegerTable(minimumCapacity: keys.count)
        for index in keys.indices where keys[index] != Self.free { larger.insert(keys[index], values[index]) }
        self = larger
    }
}
