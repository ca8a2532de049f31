import InferenceTypes

/// A token that is found in a text as it is spelled, before the model sees the rest.
struct AddedToken: Sendable {
    var id: TokenID
    var content: [UInt8]
    /// Control tokens: left out of decoded text, and not parsed where spellings are to stay text.
    var isSpecial: Bool
    /// Only where no word character touches it.
    var isSingleWord = false
    /// Takes white space before or after it away.
    var stripsLeft = false
    var stripsRight = false
    /// Matched in the normalised text, its content normalised too.
    var isNormalized = false
}

/// A stretch of text that is left to the model, or a token found in it.
enum TextSegment: Sendable {
    case text(Range<Int>)
    case token(TokenID)
}

/// Finds added tokens: the leftmost first, the longest of those that start together.
///
/// A text of n bytes takes n steps for each byte of the longest added token, which is bounded.
///
/// - Source: Hugging Face tokenizers, `AddedVocabulary::find_matches`.
struct AddedTokenMatcher: Sendable {
    private var trie = ByteTrie()
    private var tokens: [AddedToken] = []

    var isEmpty: Bool { tokens.isEmpty }

    /// - Parameter tokens: each with content of 1 to `TokenizerLimits.addedTokenByteCount` bytes.
    init(_ tokens: [AddedToken]) {
        for token in tokens {
            trie.insert(token.content, value: Int32(self.tokens.count))
            self.tokens.append(token)
        }
    }

    func segments(of text: [UInt8], spellings: SpecialSpellings) -> [TextSegment] {
        guard !text.isEmpty else { return [] }
        guard !isEmpty else { return [.text(0..<text.count)] }
        return text.withUnsafeBufferPointer { segments(of: $0, spellings) }
    }

    private func segments(of text: UnsafeBufferPointer<UInt8>, _ spellings: SpecialSpellings) -> [TextSegment] {
        var segments: [TextSegment] = []
        /// Where the text begins that is in no segment yet.
        var open = 0
        var index = 0
        while index < text.count {
            guard let match = trie.longestMatch(text, at: index) else {
                index += 1
                continue
            }
            let token = tokens[Int(match.value)]
            var range = index..<match.end
            index = match.end
            if token.isSpecial, spellings == .asText { continue }
            if token.isSingleWord, touchesWord(text, range) { continue }
            // A token that took white space to its right may have taken this one.
            guard range.lowerBound >= open else { continue }
            if token.stripsLeft { range = spaceStart(text, range.lowerBound, from: open)..<range.upperBound }
            if token.stripsRight { range = range.lowerBound..<spaceEnd(text, range.upperBound) }
            if open < range.lowerBound { segments.append(.text(open..<range.lowerBound)) }
            segments.append(.token(token.id))
            open = range.upperBound
            index = max(index, open)
        }
        if open < text.count { segments.append(.text(open..<text.count)) }
        return segments
    }

    private func touchesWord(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
        let before = scalar(text, endingAt: range.lowerBound)
        let after = scalar(text, at: range.upperBound)
        return [before, after].contains { $0.map { ScalarClass.of($0.value).isIn(.word) } ?? false }
    }

    private func spaceStart(_ text: UnsafeBufferPointer<UInt8>, _ position: Int, from start: Int) -> Int {
        var index = position
        while index > start, let found = scalar(text, endingAt: index), ScalarClass.of(found.value).isWhiteSpace {
            index -= found.length
        }
        return max(index, start)
    }

    private func spaceEnd(_ text: UnsafeBufferPointer<UInt8>, _ position: Int) -> Int {
        var index = position
        while let found = scalar(text, at: index), ScalarClass.of(found.value).isWhiteSpace { index += found.length }
        return index
    }

    private func scalar(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> (value: UInt32, length: Int)? {
        guard index < text.count else { return nil }
        let length = min(utf8Length(text[index]), text.count - index)
        return String(decoding: text[index..<index + length], as: UTF8.self).unicodeScalars.first.map {
            ($0.value, length)
        }
    }

    private func scalar(_ text: UnsafeBufferPointer<UInt8>, endingAt end: Int) -> (value: UInt32, length: Int)? {
        guard end > 0 else { return nil }
        var start = end - 1
        while start > 0, end - start < 4, text[start] & 0xC0 == 0x80 { start -= 1 }
        return scalar(text, at: start).map { ($0.value, end - start) }
    }
}
