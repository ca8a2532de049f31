import InferenceTypes
import Tokenization

/// A prompt as it stands before its completion, and where its tokens stand in it.
package struct EchoText: Sendable, Equatable {
    package let text: [UInt8]
    /// Code points of the text.
    let scalarCount: Int
    /// Code points before each token of the prompt.
    let offsets: [Int]

    /// A text as it was sent, whatever its tokens would decode to.
    ///
    /// - Parameter addedCount: tokens at the start that the text did not have.
    init(sent text: [UInt8], _ tokens: [TokenID], addedCount: Int, _ tokenizer: Tokenizer) {
        self.text = text
        let count = text.scalarCount
        let added = Array(repeating: 0, count: addedCount)
        let (offsets, _) = Self.walk(tokens.dropFirst(addedCount), .keep, tokenizer)
        scalarCount = count
        // Normalising may make a token's text longer than what was sent.
        self.offsets = added + offsets.map { min($0, count) }
    }

    /// Tokens that were sent as such. A special token that is not shown has no width.
    init(decoding tokens: [TokenID], _ specialTokens: SpecialTokenText, _ tokenizer: Tokenizer) {
        (offsets, text) = Self.walk(tokens[...], specialTokens, tokenizer)
        scalarCount = text.scalarCount
    }

    private static func walk(
        _ tokens: ArraySlice<TokenID>, _ specialTokens: SpecialTokenText, _ tokenizer: Tokenizer
    ) -> (offsets: [Int], text: [UInt8]) {
        var detokenizer = StreamingDetokenizer(tokenizer, after: [], specialTokens: specialTokens)
        var offsets: [Int] = []
        offsets.reserveCapacity(tokens.count)
        var text: [UInt8] = []
        var count = 0
        for token in tokens {
            offsets.append(count)
            let piece = detokenizer.append(token)
            count += piece.scalarCount
            text += piece
        }
        return (offsets, text + detokenizer.finish())
    }
}

extension [UInt8] {
    /// - Requires: whole scalars.
    var scalarCount: Int { reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }
}
