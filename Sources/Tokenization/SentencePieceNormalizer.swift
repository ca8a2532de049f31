/// What SentencePiece does to a text before its model sees it.
///
/// - Source: google/sentencepiece `normalizer.cc`, `Normalizer::Normalize`.
struct SentencePieceNormalizer: Sendable {
    var map: CharacterMap?
    /// User-defined pieces, which stay as they are.
    var verbatim = ByteTrie()
    var addsDummyPrefix = true
    var removesExtraSpaces = true
    var escapesSpaces = true
    var putsSpaceBehind = false

    private static let mark = Array("▁".utf8)

    func callAsFunction(_ text: [UInt8]) -> [UInt8] {
        text.withUnsafeBufferPointer { text in
            var index = removesExtraSpaces ? afterLeadingSpaces(text) : 0
            guard index < text.count else { return [] }
            var result: [UInt8] = []
            result.reserveCapacity(text.count * 2)
            if addsDummyPrefix, !putsSpaceBehind { appendSpace(&result) }
            var followsSpace = removesExtraSpaces
            while index < text.count {
                let (piece, end) = normalizedPrefix(text, index)
                append(piece, &followsSpace, &result)
                index = end
            }
            if removesExtraSpaces { dropTrailingSpaces(&result) }
            if addsDummyPrefix, putsSpaceBehind { appendSpace(&result) }
            return result
        }
    }

    private func afterLeadingSpaces(_ text: UnsafeBufferPointer<UInt8>) -> Int {
        var index = 0
        while index < text.count {
            let (piece, end) = normalizedPrefix(text, index)
            guard piece.elementsEqual([0x20]) else { break }
            index = end
        }
        return index
    }

    /// The next unit of the text as it is after the map, and where it ends in the text.
    private func normalizedPrefix(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> (ArraySlice<UInt8>, Int) {
        if !verbatim.isEmpty, let match = verbatim.longestMatch(text, at: index) {
            return (ArraySlice(text[index..<match.end]), match.end)
        }
        if let found = map?.replacement(text, at: index, end: text.count, .longest) { return (found.bytes, found.end) }
        let end = min(index + utf8Length(text[index]), text.count)
        return (ArraySlice(text[index..<end]), end)
    }

    private func append(_ piece: ArraySlice<UInt8>, _ followsSpace: inout Bool, _ result: inout [UInt8]) {
        let rest = followsSpace ? piece.drop { $0 == 0x20 } : piece
        for byte in rest {
            if byte == 0x20 { appendSpace(&result) } else { result.append(byte) }
        }
        if let last = rest.last { followsSpace = last == 0x20 }
        if !removesExtraSpaces { followsSpace = false }
    }

    private func appendSpace(_ result: inout [UInt8]) {
        if escapesSpaces { result.append(contentsOf: Self.mark) } else { result.append(0x20) }
    }

    private func dropTrailingSpaces(_ result: inout [UInt8]) {
        let space = escapesSpaces ? Self.mark : [0x20]
        while result.suffix(space.count).elementsEqual(space) { result.removeLast(space.count) }
    }
}
