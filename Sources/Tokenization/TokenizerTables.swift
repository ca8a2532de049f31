import InferenceTypes

/// Everything that a tokeniser knows: made once by a reader, then only read, from any thread.
final class TokenizerTables: Sendable {
    let pieces: PieceTable
    let kinds: [TokenKind]
    let addedIDs: [[UInt8]: TokenID]
    let matcher: AddedTokenMatcher
    let normalizer: Normalizer
    /// Added tokens that are matched after normalising.
    let normalizedMatcher: AddedTokenMatcher
    let preTokenizer: PreTokenizer
    let model: TokenizerModel
    let prefix: [TokenID]
    let suffix: [TokenID]
    let decoder: Decoder
    /// Whether the reference takes spaces before punctuation out of decoded text.
    let cleansSpaces: Bool
    let beginOfSequence: TokenID?
    let endOfSequence: Set<TokenID>
    let named: NamedTokens
    let fillInMiddle: FillInMiddleTokens?
    let summary: String

    init(_ parts: TokenizerParts) {
        pieces = parts.pieces
        kinds = parts.decoder.kinds
        addedIDs = Dictionary(parts.added.map { ($0.content, $0.id) }) { first, _ in first }
        matcher = AddedTokenMatcher(parts.added.filter { !$0.isNormalized })
        normalizer = parts.normalizer
        normalizedMatcher = AddedTokenMatcher(
            parts.added.filter(\.isNormalized).compactMap { token in
                var token = token
                token.content = parts.normalizer(token.content)
                return token.content.isEmpty ? nil : token
            })
        preTokenizer = parts.preTokenizer
        model = parts.model
        prefix = parts.prefix
        suffix = parts.suffix
        decoder = parts.decoder
        cleansSpaces = parts.cleansSpaces
        beginOfSequence = parts.beginOfSequence
        endOfSequence = parts.endOfSequence
        named = parts.named
        let addedIDs = addedIDs
        fillInMiddle = FillInMiddleTokens(named: parts.fillInMiddle) { parts.pieces.find($0) ?? addedIDs[$0] }
        summary = Self.summarize(parts)
    }

    private static func summarize(_ parts: TokenizerParts) -> String {
        var words = ["\(parts.name), \(parts.decoder.kinds.count) tokens"]
        words.append(parts.beginOfSequence.map { "BOS \($0)" } ?? "no BOS")
        let ends = parts.endOfSequence.sorted().map(String.init).joined(separator: " ")
        words.append(ends.isEmpty ? "no EOS" : "EOS \(ends)")
        return words.joined(separator: ", ")
    }
}

/// What a reader of one file format hands over.
struct TokenizerParts {
    var name: String
    var pieces: PieceTable
    var added: [AddedToken] = []
    var normalizer = Normalizer()
    var preTokenizer = PreTokenizer()
    var model: TokenizerModel
    var prefix: [TokenID] = []
    var suffix: [TokenID] = []
    var decoder: Decoder
    var cleansSpaces = false
    var beginOfSequence: TokenID?
    var endOfSequence: Set<TokenID> = []
    var named = NamedTokens()
    var fillInMiddle = FillInMiddleTokens.Names()
}

/// Tokens that files name and that neither encoding nor decoding asks for.
struct NamedTokens: Sendable {
    /// The one that is named as the end; `endOfSequence` has all.
    var end: TokenID?
    var padding: TokenID?
    var unknown: TokenID?
}
