package import InferenceTypes

/// Turns generated tokens into text while they come: only whole scalars, each as early as it is certain.
///
/// What `append` and `finish` give, joined, equals `decode(prompt + generated)` without the prompt's text, special
/// tokens skipped or kept alike; save where bytes are ill-formed and decoding is not prefix-stable. A small value: a
/// forked sequence copies it.
package struct StreamingDetokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let specialTokens: SpecialTokenText
    private var state: Decoder.State

    /// - Parameter prompt: what is before the first appended token. Where it shows no token the text starts here, and a
    ///   leading space that SentencePiece put there is dropped.
    /// - Parameter specialTokens: whether special tokens show, in the prompt too.
    package init(_ tokenizer: Tokenizer, after prompt: [TokenID], specialTokens: SpecialTokenText = .skip) {
        self.tokenizer = tokenizer
        self.specialTokens = specialTokens
        state = Decoder.State(streaming: tokenizer.tables.decoder)
        if prompt.contains(where: { tokenizer.tables.decoder.isShown($0, specialTokens) }) { state.passStart() }
    }

    /// The scalars that this token completes. A special token gives nothing where those are skipped.
    package mutating func append(_ token: TokenID) -> [UInt8] {
        let decoder = tokenizer.tables.decoder
        guard decoder.isShown(token, specialTokens) else { return [] }
        var output: [UInt8] = []
        state.append(token, decoder, into: &output)
        return output
    }

    /// What was held back: bytes that became no scalar, as U+FFFD.
    package mutating func finish() -> [UInt8] {
        var output: [UInt8] = []
        state.finish(into: &output)
        return output
    }
}
