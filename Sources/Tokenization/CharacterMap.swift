/// SentencePiece's compiled map of characters: a double-array trie from byte strings to their replacements.
///
/// - Source: google/sentencepiece `normalizer.cc`; the trie is a darts-clone array of 32-bit units.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    /// Replacements, each ended by a zero byte.
    private let replacements: [UInt8]

    init(_ blob: [UInt8]) throws(TokenizerError) {
        guard blob.count >= 4 else {
            throw TokenizerError("the precompiled charsmap has \(blob.count) bytes, expected 4 or more")
        }
        let trieByteCount = Int(Self.word(blob, 0))
        guard trieByteCount % 4 == 0, trieByteCount >= 4, trieByteCount <= blob.count - 4 else {
            throw TokenizerError(
                "the precompiled charsmap gives its trie \(trieByteCount) bytes of \(blob.count - 4), expected a multiple of 4"
            )
        }
        units = (0..<trieByteCount / 4).map { Self.word(blob, 4 + 4 * $0) }
        replacements = Array(blob[(4 + trieByteCount)...])
        let longest = replacements.split(separator: 0).map(\.count).max() ?? 0
        guard longest <= TokenizerLimits.characterMapReplacementByteCount else {
            throw TokenizerError(
                "the precompiled charsmap has a replacement of \(longest) bytes, "
                    + "the limit is \(TokenizerLimits.characterMapReplacementByteCount)")
        }
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    enum Choice { case shortest, longest }

    /// The replacement of a prefix of `text[position...]`, and where that prefix ends.
    func replacement(
        _ text: UnsafeBufferPointer<UInt8>, at position: Int, end limit: Int, _ choice: Choice
    ) -> (bytes: ArraySlice<UInt8>, end: Int)? {
        var node = Self.offset(units[0])
        var found: (value: Int, end: Int)?
        var index = position
        // A damaged trie may have a ring.
        let limit = min(limit, position + TokenizerLimits.characterMapKeyByteCount)
        while index < limit {
            let byte = text[index]
            node ^= Int(byte)
            guard node < units.count else { break }
            let unit = units[node]
            guard unit & 0x8000_00FF == UInt32(byte) else { break }
            node ^= Self.offset(unit)
            index += 1
            if unit >> 8 & 1 == 1, node < units.count {
                found = (Int(units[node] & 0x7FFF_FFFF), index)
                if choice == .shortest { break }
            }
        }
        return found.flatMap { found in string(at: found.value).map { ($0, found.end) } }
    }

    private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }

    private func string(at start: Int) -> ArraySlice<UInt8>? {
        guard start < replacements.count else { return nil }
        let end = replacements[start...].firstIndex(of: 0) ?? replacements.count
        return replacements[start..<end]
    }

    /// Hugging Face's way: a grapheme of under six bytes is looked up as a whole, else scalar by scalar, and what is
    /// found stands for all of what was looked up, though only the shortest prefix was matched.
    ///
    /// - Source: Hugging Face tokenizers, `Precompiled`, and spm_precompiled, whose `transform` takes the first result.
    func normalizeByGrapheme(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { text in
            var start = 0
            for character in String(decoding: text, as: UTF8.self) {
                let end = start + character.utf8.count
                appendGrapheme(text, start..<end, &result)
                start = end
            }
        }
        return result
    }

    private static let wholeGraphemeLimit = 6

    private func appendGrapheme(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ result: inout [UInt8]) {
        if range.count < Self.wholeGraphemeLimit,
            let found = replacement(text, at: range.lowerBound, end: range.upperBound, .shortest)
        {
            result.append(contentsOf: found.bytes)
            return
        }
        var index = range.lowerBound
        while index < range.upperBound {
            let end = min(index + utf8Length(text[index]), range.upperBound)
            if let found = replacement(text, at: index, end: end, .shortest) {
                result.append(contentsOf: found.bytes)
            } else {
                result.append(contentsOf: text[index..<end])
            }
            index = end
        }
    }
}
