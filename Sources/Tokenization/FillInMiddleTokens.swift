package import InferenceTypes

/// The three tokens that frame a text with a hole: prefix, its text, suffix, its text, middle; then comes what fills it.
package struct FillInMiddleTokens: Sendable, Equatable {
    package var prefix: TokenID
    package var suffix: TokenID
    package var middle: TokenID

    package init(prefix: TokenID, suffix: TokenID, middle: TokenID) {
        self.prefix = prefix
        self.suffix = suffix
        self.middle = middle
    }

    /// How families of models spell prefix, suffix and middle.
    ///
    /// - Source: the tokenisers of Qwen and CodeGemma, StarCoder, SantaCoder and Granite, DeepSeek, CodeLlama (twice: as
    ///   its vocabulary and as some conversions spell it), GLM and CodeGeeX; llama.cpp `llama_vocab::impl::load`.
    static let spellings: [[[UInt8]]] = [
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
        ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
        ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
        [
            "<\u{FF5C}fim\u{2581}begin\u{FF5C}>", "<\u{FF5C}fim\u{2581}hole\u{FF5C}>",
            "<\u{FF5C}fim\u{2581}end\u{FF5C}>",
        ],
        ["\u{2581}<PRE>", "\u{2581}<SUF>", "\u{2581}<MID>"],
        ["<PRE>", "<SUF>", "<MID>"],
        ["<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"],
        ["<|prefix|>", "<|suffix|>", "<|middle|>"],
    ].map { family in family.map { Array($0.utf8) } }

    /// What a file names by id, the rest by the first family that is there whole; nil unless there are all three.
    init?(named: Names, id: ([UInt8]) -> TokenID?) {
        let spelled = Self.spellings.map { $0.compactMap(id) }.first { $0.count == 3 }
        guard let prefix = named.prefix ?? spelled?[0], let suffix = named.suffix ?? spelled?[1],
            let middle = named.middle ?? spelled?[2]
        else { return nil }
        self.init(prefix: prefix, suffix: suffix, middle: middle)
    }

    /// Ids that a file gives these tokens.
    struct Names: Sendable {
        var prefix: TokenID?
        var suffix: TokenID?
        var middle: TokenID?
    }
}
