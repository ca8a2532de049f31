/// What GGUF files do not say about their tokens and llama.cpp tells by spelling.
///
/// - Source: llama.cpp `llama_vocab::impl::load`, its lists of end-of-generation and fill-in-the-middle tokens.
enum GGUFTokenNames {
    private static let ending: Set<[UInt8]> = Set(
        [
            "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
            "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
            "<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>",
            "<\u{FF5C}end\u{2581}of\u{2581}sentence\u{FF5C}>", "[e~[",
            // Padding and file marks of code models end a text too.
            "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
            "<REPO>", "<reponame>", "<|file_sep|>",
        ].map { Array($0.utf8) })

    private static let filling = Set(FillInMiddleTokens.spellings.joined())

    /// Whether a text ends with this token.
    static func endsText(_ piece: [UInt8]) -> Bool { ending.contains(piece) }

    /// Whether this token steers, whatever type the file gives it.
    static func isControl(_ piece: [UInt8]) -> Bool { ending.contains(piece) || filling.contains(piece) }

    /// Names of models whose special tokens take the white space behind them.
    static let phi3: [[UInt8]] = ["phi-3", "phi3"].map { Array($0.utf8) }
    /// The ones of those models that do not.
    static let phi3Unstripped: Set<[UInt8]> = Set(["<unk>", "<s>", "<|endoftext|>"].map { Array($0.utf8) })
}
