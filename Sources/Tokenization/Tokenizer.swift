package import Checkpoints
package import InferenceTypes

/// Whether `encode` puts the tokeniser's BOS and EOS around the text.
package enum SpecialTokens: Sendable { case add, omit }

/// Whether spellings of special tokens in a text become their ids, or stay the text that they are.
package enum SpecialSpellings: Sendable { case parse, asText }

/// Whether special tokens show in decoded text.
package enum SpecialTokenText: Sendable { case skip, keep }

/// Whether spaces before punctuation stay in decoded text, or go where the reference implementation removes them
/// (llama.cpp's `detokenize` for most byte-level vocabularies; its server does not).
package enum SpaceCleaning: Sendable { case none, asReference }

/// Text to tokens and back, as the file that was loaded defines it. A value over shared tables: copies are cheap.
package struct Tokenizer: Sendable {
    let tables: TokenizerTables

    /// Longest text that `encode` takes: places in it are 32 bits wide. Request bodies are far below.
    package static let maximumByteCount = 1 << 28

    /// - Throws: what is wrong with the files, where, and what was expected.
    package init(_ source: TokenizerSource) throws(TokenizerError) {
        tables = TokenizerTables(try TokenizerReader.parts(source))
    }

    /// Highest id + 1, added tokens included.
    package var vocabularyCount: Int { tables.kinds.count }

    package var beginOfSequence: TokenID? { tables.beginOfSequence }

    /// All ids that end a text.
    package var endOfSequence: Set<TokenID> { tables.endOfSequence }

    /// The one token that the files name as the end; others of `endOfSequence` end a text too.
    package var endToken: TokenID? { tables.named.end }

    /// What fills up short rows, where the files name it.
    package var paddingToken: TokenID? { tables.named.padding }

    /// What stands for text that is in no other token, where the files name it.
    package var unknownToken: TokenID? { tables.named.unknown }

    /// The tokens for `suffix`; nil where the vocabulary does not have all three.
    package var fillInMiddle: FillInMiddleTokens? { tables.fillInMiddle }

    package var addsBeginOfSequence: Bool {
        guard let first = tables.prefix.first else { return false }
        return first == tables.beginOfSequence
    }

    /// One line for people: kind, size, BOS and EOS.
    package var summary: String { tables.summary }

    /// The tokens of a text, in time linear in its length up to a logarithm.
    ///
    /// Ill-formed UTF-8 is read as U+FFFD.
    ///
    /// - Requires: at most `maximumByteCount` bytes.
    package func encode(
        _ text: [UInt8], addSpecialTokens: SpecialTokens, spellings: SpecialSpellings = .parse
    ) -> [TokenID] {
        precondition(text.count <= Self.maximumByteCount, "text longer than a request may be")
        let isWellFormed = text.isValidUTF8
        let text = isWellFormed ? text : Array(String(decoding: text, as: UTF8.self).utf8)
        var output = addSpecialTokens == .add ? tables.prefix : []
        var merger = BytePairMerger()
        for segment in tables.matcher.segments(of: text, spellings: spellings) {
            switch segment {
            case .token(let id): output.append(id)
            case .text(let range): encode(text, range, spellings, &merger, into: &output)
            }
        }
        if addSpecialTokens == .add { output.append(contentsOf: tables.suffix) }
        return output
    }

    private func encode(
        _ text: [UInt8], _ range: Range<Int>, _ spellings: SpecialSpellings, _ merger: inout BytePairMerger,
        into output: inout [TokenID]
    ) {
        let normalized = tables.normalizer(range.count == text.count ? text : Array(text[range]))
        for segment in tables.normalizedMatcher.segments(of: normalized, spellings: spellings) {
            switch segment {
            case .token(let id): output.append(id)
            case .text(let part):
                let words = part.count == normalized.count ? normalized : Array(normalized[part])
                let isFirst = range.lowerBound == 0 && part.lowerBound == 0
                tables.preTokenizer.forEachWord(words, isFirst: isFirst) { word in
                    tables.model.encode(word, tables.pieces, &merger, into: &output)
                }
            }
        }
    }

    /// The text of tokens, well-formed UTF-8: bytes that make no scalar become U+FFFD. Ids out of range are left out.
    package func decode(
        _ tokens: [TokenID], specialTokens: SpecialTokenText, spaces: SpaceCleaning = .none
    ) -> [UInt8] {
        let text = tables.decoder.decode(tokens, specialTokens)
        return spaces == .asReference && tables.cleansSpaces ? SpaceCleaner.clean(text) : text
    }

    /// Whether a token steers and is no text: it is left out where special tokens are skipped.
    package func isSpecial(_ token: TokenID) -> Bool { tables.decoder.special.contains(token) }

    /// The bytes that a token stands for in the middle of a text; none for an id out of range.
    package func bytes(of token: TokenID) -> [UInt8] { Array(tables.decoder.texts[token]) }

    /// A token as its file spells it, `<s>` or `▁Once`; none for an id out of range.
    package func spelling(of token: TokenID) -> [UInt8] { Array(tables.pieces[token]) }

    /// The id of a piece or an added token as its file spells it.
    package func id(of piece: [UInt8]) -> TokenID? { tables.pieces.find(piece) ?? tables.addedIDs[piece] }
}
