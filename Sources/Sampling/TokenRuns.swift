import InferenceTypes

/// What may not follow because of the last tokens of a sequence.
struct TokenRuns {
    /// For each length of a prefix of the pattern: the longest shorter prefix that it ends with.
    private var borders: [Int32] = []

    /// Masks each token that would make a run of `size` tokens come a second time.
    ///
    /// The last `size` − 1 tokens are looked for in all that has a follower: one walk (Knuth, Morris, Pratt), however
    /// much the sequence repeats itself.
    mutating func maskRepeats(_ size: Int, of tokens: [TokenID], in scores: UnsafeMutableBufferPointer<Float>) {
        guard tokens.count >= size else { return }
        let pattern = tokens.suffix(size - 1)
        let first = pattern.startIndex
        findBorders(of: pattern)
        var matched = 0
        for index in 0..<tokens.count {
            if matched == pattern.count {
                scores.mask(tokens[index])
                matched = matched > 0 ? Int(borders[matched]) : 0
            }
            while matched > 0, tokens[first + matched] != tokens[index] { matched = Int(borders[matched]) }
            if matched < pattern.count, tokens[first + matched] == tokens[index] { matched += 1 }
        }
    }

    private mutating func findBorders(of pattern: ArraySlice<TokenID>) {
        borders.removeAll(keepingCapacity: true)
        borders.append(contentsOf: [0, 0])
        let first = pattern.startIndex
        var matched = 0
        for index in pattern.indices.dropFirst() {
            while matched > 0, pattern[first + matched] != pattern[index] { matched = Int(borders[matched]) }
            if pattern[first + matched] == pattern[index] { matched += 1 }
            borders.append(Int32(matched))
        }
    }

    /// Masks the last token of each word whose others are the last of the sequence. A word that is one end of the
    /// sequence is passed over: `min_tokens` and `ignore_eos` are there for that.
    ///
    /// - Source: transformers 5.23, `NoBadWordsLogitsProcessor`.
    static func maskEnds(
        of words: [[TokenID]], in scores: UnsafeMutableBufferPointer<Float>, _ context: DecodingContext
    ) {
        for word in words {
            guard let last = word.last, word.count > 1 || !context.ends.contains(last) else { continue }
            if context.tokens.suffix(word.count - 1).elementsEqual(word.dropLast()) { scores.mask(last) }
        }
    }
}
