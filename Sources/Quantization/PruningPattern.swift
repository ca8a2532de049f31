/// Which share of a matrix's weights is removed, and how they may lie.
package enum PruningPattern: Sendable, Equatable, CustomStringConvertible {
    /// So much of each row, wherever it lies.
    case fraction(Double)
    /// `keep` of each `of` weights that stand side by side in a row remain.
    case blocks(keep: Int, of: Int)

    /// - Source: 2:4 is what NVIDIA's sparse units read, 4:8 and 8:16 what others tried; more is no pattern.
    package static let maxBlockCount = 32

    /// `0.5`, or `2:4`.
    ///
    /// - Throws: what was expected, for anything else.
    package init(_ text: String) throws(PruningError) {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        if parts.count == 2 {
            guard let keep = Self.integer(parts[0]), let count = Self.integer(parts[1]) else {
                throw .pattern(text, "two whole numbers around the colon, as 2:4")
            }
            guard 1..<count ~= keep, count <= Self.maxBlockCount else {
                throw .pattern(text, "N:M with 1 ≤ N < M ≤ \(Self.maxBlockCount)")
            }
            self = .blocks(keep: keep, of: count)
        } else {
            // Double alone takes nan, 0x1p-1 and 5e-1, too.
            let isPlain = text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
            guard parts.count == 1, isPlain, let fraction = Double(text) else {
                throw .pattern(text, "a fraction as 0.5, or N:M as 2:4")
            }
            guard fraction > 0, fraction < 1 else { throw .pattern(text, "a fraction above 0 and below 1") }
            self = .fraction(fraction)
        }
    }

    /// Two digits at most: more than any block has.
    private static func integer(_ digits: Substring.UTF8View) -> Int? {
        guard (1...2).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1) - 0x30 }
    }

    package var description: String {
        switch self {
        case .fraction(let fraction): "\(fraction)"
        case .blocks(let keep, let count): "\(keep):\(count)"
        }
    }

    /// Weights that go from `count` ones: of a row for a fraction, of a block or what is left of one otherwise.
    func removedCount(of count: Int) -> Int {
        switch self {
        case .fraction(let fraction): Int(exactly: (Double(count) * fraction).rounded(.down)) ?? 0
        case .blocks(let keep, _): max(0, count - keep)
        }
    }
}

/// What pruning cannot do.
package enum PruningError: Error, Equatable, CustomStringConvertible {
    case pattern(_ found: String, _ expected: String)
    /// Nothing was heard of a tensor's inputs.
    case norms(_ tensor: String)

    package var description: String {
        switch self {
        case .pattern(let found, let expected): "expected \(expected), got \(found.debugDescription)"
        case .norms(let tensor): "no norms of the inputs of \(tensor.debugDescription)"
        }
    }
}
