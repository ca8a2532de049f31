/// Finds the first stop string in a growing text and holds back only what may still become one.
///
/// Works byte by byte, so that the cut does not depend on how the text was split into tokens. The stop string that ends
/// first wins; of several that end at one byte, the longest.
///
/// - Source: Knuth, Morris, Pratt (1977): one automaton for each stop string, constant time per byte and string.
struct StopMatcher {
    private let patterns: [Pattern]
    private let keepsStop: Bool
    /// Bytes of each pattern that the text ends with, at most all but one.
    private var matched: [Int]
    /// The longest end of the text that is a proper prefix of a stop string: not handed out yet.
    private var held: [UInt8] = []

    /// - Parameter keepsStop: the stop string stays in the text.
    /// - Requires: no string is empty; each is well-formed UTF-8, so that a cut before it is none inside a scalar.
    init(_ strings: [[UInt8]], keepsStop: Bool) {
        self.keepsStop = keepsStop
        patterns = strings.map(Pattern.init)
        matched = Array(repeating: 0, count: strings.count)
    }

    /// Takes in more text; returns what can be handed out, and the stop string if one was completed. After that nothing
    /// is held and nothing may be appended.
    mutating func append(_ text: [UInt8]) -> (text: [UInt8], stop: [UInt8]?) {
        guard !patterns.isEmpty else { return (text, nil) }
        held.reserveCapacity(held.count + text.count)
        for byte in text {
            held.append(byte)
            if let stop = advance(byte) {
                if !keepsStop { held.removeLast(stop.count) }
                return (takeHeld(keeping: 0), stop)
            }
        }
        return (takeHeld(keeping: matched.max() ?? 0), nil)
    }

    /// What was held back, at the end of the text.
    mutating func finish() -> [UInt8] { takeHeld(keeping: 0) }

    private mutating func advance(_ byte: UInt8) -> [UInt8]? {
        var stop: [UInt8]?
        for index in patterns.indices {
            matched[index] = patterns[index].advance(matched[index], byte)
            let bytes = patterns[index].bytes
            if matched[index] == bytes.count, bytes.count > stop?.count ?? 0 { stop = bytes }
        }
        return stop
    }

    /// The buffer goes out and a new one stays: what a client's thread reads is never written again.
    private mutating func takeHeld(keeping count: Int) -> [UInt8] {
        guard count < held.count else { return [] }
        var ready = held
        held = Array(ready.suffix(count))
        ready.removeLast(count)
        return ready
    }
}

extension StopMatcher {
    private struct Pattern {
        let bytes: [UInt8]
        /// `borders[i]`: the longest proper prefix of the first i + 1 bytes that is also their end.
        let borders: [Int]

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            var borders = Array(repeating: 0, count: bytes.count)
            var border = 0
            for index in bytes.indices.dropFirst() {
                while border > 0, bytes[index] != bytes[border] { border = borders[border - 1] }
                if bytes[index] == bytes[border] { border += 1 }
                borders[index] = border
            }
            self.borders = borders
        }

        /// - Requires: `matched` < the pattern's length.
        func advance(_ matched: Int, _ byte: UInt8) -> Int {
            var matched = matched
            while matched > 0, bytes[matched] != byte { matched = borders[matched - 1] }
            return bytes[matched] == byte ? matched + 1 : 0
        }
    }
}
