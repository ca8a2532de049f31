/// Changes a text before it is cut into words.
struct Normalizer: Sendable {
    enum Step: Sendable {
        case canonicalComposition
        case canonicalDecomposition
        case compatibilityComposition
        case compatibilityDecomposition
        case lowercase
        case prepend([UInt8])
        /// Each occurrence of a text, from the left.
        case replace([UInt8], with: [UInt8])
        /// Each run of at least this many spaces.
        case replaceSpaces(atLeast: Int, with: [UInt8])
        case strip(left: Bool, right: Bool)
        /// The charsmap as Hugging Face tokenizers apply it.
        case charsmapByGrapheme(CharacterMap)
        /// Everything that SentencePiece does before the model.
        case sentencePiece(SentencePieceNormalizer)
    }

    var steps: [Step] = []

    func callAsFunction(_ text: [UInt8]) -> [UInt8] {
        var text = text
        for step in steps { Self.apply(step, &text) }
        return text
    }

    private static func apply(_ step: Step, _ text: inout [UInt8]) {
        switch step {
        case .canonicalComposition: text = UnicodeNormalization.apply(.canonicalComposition, text)
        case .canonicalDecomposition: text = UnicodeNormalization.apply(.canonicalDecomposition, text)
        case .compatibilityComposition: text = UnicodeNormalization.apply(.compatibilityComposition, text)
        case .compatibilityDecomposition: text = UnicodeNormalization.apply(.compatibilityDecomposition, text)
        case .lowercase: text = Array(String(decoding: text, as: UTF8.self).lowercased().utf8)
        case .prepend(let prefix): if !text.isEmpty { text.insert(contentsOf: prefix, at: 0) }
        case .replace(let pattern, let content): text = replacing(pattern, with: content, in: text)
        case .replaceSpaces(let count, let content): text = replacingSpaces(atLeast: count, with: content, in: text)
        case .strip(let left, let right): text = stripping(left: left, right: right, text)
        case .charsmapByGrapheme(let map): text = map.normalizeByGrapheme(text)
        case .sentencePiece(let normalizer): text = normalizer(text)
        }
    }

    /// - Requires: `pattern` is not empty; it is short, being compared at each byte.
    static func replacing(_ pattern: [UInt8], with content: [UInt8], in text: [UInt8]) -> [UInt8] {
        guard let first = pattern.first else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count * 2)
        var index = 0
        while index < text.count {
            if text[index] == first, text.count - index >= pattern.count,
                text[index..<index + pattern.count].elementsEqual(pattern)
            {
                result.append(contentsOf: content)
                index += pattern.count
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }

    private static func replacingSpaces(atLeast count: Int, with content: [UInt8], in text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            var end = index
            while end < text.count, text[end] == 0x20 { end += 1 }
            if end - index >= count {
                result.append(contentsOf: content)
            } else {
                end = max(end, index + 1)
                result.append(contentsOf: text[index..<end])
            }
            index = end
        }
        return result
    }

    private static func stripping(left: Bool, right: Bool, _ text: [UInt8]) -> [UInt8] {
        let scalars = ScalarText(text)
        var range = 0..<scalars.count
        while left, let first = range.first, scalars.classes[first].isWhiteSpace {
            range = first + 1..<range.upperBound
        }
        while right, let last = range.last, scalars.classes[last].isWhiteSpace { range = range.lowerBound..<last }
        return Array(text[scalars.byteRange(range)])
    }
}
