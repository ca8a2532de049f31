import InferenceTypes

/// Whether a text may be cut before each "▁" that follows something else without changing its tokens: it may when no
/// piece has such a place inside, since then no merge can reach across. Then a text is many short words and not one
/// long one, which is several times faster.
enum WordBoundaries {
    static func areSafe(_ pieces: [[UInt8]], _ table: PieceTable) -> Bool {
        // An unknown mark would be joined with unknown neighbours.
        guard table.find(Decoder.mark) != nil else { return false }
        return !pieces.contains { piece in
            piece.withUnsafeBufferPointer { bytes in
                var wordCount = 0
                forEachWord(bytes) { _ in wordCount += 1 }
                return wordCount > 1
            }
        }
    }

    @inline(__always)
    static func isMark(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
        index >= 0 && index + 2 < bytes.count && bytes[index] == 0xE2 && bytes[index + 1] == 0x96
            && bytes[index + 2] == 0x81
    }

    /// The words of a text.
    static func forEachWord(
        _ text: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
    ) {
        var start = 0
        var index = 0
        var followsMark = true
        while index < text.count {
            guard isMark(text, index) else {
                followsMark = false
                index += utf8Length(text[index])
                continue
            }
            if !followsMark {
                body(UnsafeBufferPointer(rebasing: text[start..<index]))
                start = index
            }
            followsMark = true
            index += 3
        }
        if start < text.count { body(UnsafeBufferPointer(rebasing: text[start...])) }
    }
}
