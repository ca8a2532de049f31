/// Bounds on what a tokeniser's file may ask for, each with where its number comes from.
enum TokenizerLimits {
    /// Highest token id. The largest published vocabularies have 262,144 entries; sixteen times that is a damaged file.
    static let tokenID = 4_194_303
    /// Bytes of one piece. The longest of published vocabularies is a run of 512 spaces or signs; a piece of 64 KiB is
    /// no word of a language.
    static let pieceByteCount = 65_536
    /// Bytes of one added token, of one piece of a unigram model, and of a text that a step looks for: for each byte of
    /// a text this many may be looked at. The longest of published files have under a hundred.
    static let addedTokenByteCount = 256
    /// Bytes of one key of a precompiled charsmap: NFKC's longest key has 18.
    static let characterMapKeyByteCount = 64
    /// Bytes of one replacement of a precompiled charsmap: NFKC makes 33 of U+FDFA.
    static let characterMapReplacementByteCount = 64
    /// How much longer a text may become by the literal replacements of a normaliser (reliability.md section 11).
    static let replacementGrowth = 8
    /// Bytes that a normaliser may put in front of a text: " " and "▁" are all that published files use.
    static let prefixByteCount = 64
    /// Steps of a normaliser, pre-tokeniser or decoder after flattening; the longest published list has six.
    static let stepCount = 64
    /// Bytes of a text from a file that an error message quotes.
    static let quotedByteCount = 64
}

/// Text of a file for an error message: printable ASCII, bounded, the rest as `?`.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    let shown = bytes.prefix(TokenizerLimits.quotedByteCount).map { 0x20 <= $0 && $0 < 0x7F ? $0 : UInt8(ascii: "?") }
    let rest = bytes.count > shown.count ? "…" : ""
    return "'" + String(decoding: shown, as: UTF8.self) + rest + "'"
}
