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
        scalarCount = text.scalarCount
        var alignment = TextAlignment(text, unknown: tokenizer.unknownToken)
        var detokenizer = StreamingDetokenizer(tokenizer, after: [], specialTokens: .keep)
        offsets =
            Array(repeating: 0, count: addedCount)
            + tokens.dropFirst(addedCount).map { alignment.place($0, spelling: detokenizer.append($0)) }
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

/// Where the tokens of a text stand in it.
private struct TextAlignment {
    private let text: [UInt8]
    private let unknown: TokenID?
    private var index = 0
    private var scalarIndex = 0
    /// An unknown token was passed, which does not say how much of the text it is.
    private var isLost = false

    /// Bytes after an unknown token in which its successor is looked for: bounds the work of a text of unknown ones.
    private static let searchByteCount = 4096

    init(_ text: [UInt8], unknown: TokenID?) {
        self.text = text
        self.unknown = unknown
    }

    /// Code points before a token. Normalising may make its spelling longer than what was sent.
    mutating func place(_ token: TokenID, spelling: [UInt8]) -> Int {
        if token == unknown {
            isLost = true
            return scalarIndex
        }
        if isLost, !spelling.isEmpty { find(spelling) }
        let place = scalarIndex
        move(by: spelling.scalarCount)
        return place
    }

    private mutating func find(_ spelling: [UInt8]) {
        isLost = false
        let last = min(text.count, index + Self.searchByteCount) - spelling.count
        for start in stride(from: index + 1, through: last, by: 1)
        where text[start..<start + spelling.count].elementsEqual(spelling) {
            move(by: Array(text[index..<start]).scalarCount)
            return
        }
        move(by: 1)
    }

    private mutating func move(by count: Int) {
        for _ in 0..<count where index < text.count {
            index += 1
            while index < text.count, text[index] & 0xC0 == 0x80 { index += 1 }
            scalarIndex += 1
        }
    }
}

extension [UInt8] {
    /// - Requires: whole scalars.
    var scalarCount: Int { reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }
}
