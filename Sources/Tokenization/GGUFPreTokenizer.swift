/// What a name in `tokenizer.ggml.pre` means.
///
/// - Source: llama.cpp `llama_vocab::impl::load` and `llm_tokenizer_bpe`.
struct GGUFPreTokenizer {
    private(set) var preTokenizer: PreTokenizer
    /// Whether a word that is a piece is taken whole.
    private(set) var takesWholeWords = false
    /// Whether BOS is added where the file does not say.
    private(set) var addsBegin = false
    /// Whether `detokenize` takes out spaces before punctuation.
    private(set) var cleansSpaces = true

    /// Patterns applied one after another, matches and what is between alike staying pieces.
    private init(_ patterns: SplitPattern..., cleansSpaces: Bool = true) {
        preTokenizer = PreTokenizer(stages: patterns.map { .split($0, .isolated, isInverted: false) })
        self.cleansSpaces = cleansSpaces
    }

    init?(named name: [UInt8]) {
        guard let group = Self.groups.first(where: { $0.names.contains { name.elementsEqual($0.utf8) } }) else {
            return nil
        }
        self = group.value
    }

    /// The name of what a `tokenizer.json` does, nil where no name says it.
    ///
    /// - Parameter patterns: applied one after another, matches and what is between alike staying pieces.
    static func name(of patterns: [SplitPattern], takesWholeWords: Bool) -> String? {
        let wanted = patterns.map(folded)
        let found = groups.filter { group in
            group.value.takesWholeWords == takesWholeWords && group.value.patterns.map(folded) == wanted
        }
        let names = found.flatMap(\.names)
        // The one that most readers know, where there are several.
        return names.first { ["llama-bpe", "gpt-2", "qwen2"].contains($0) } ?? names.first
    }

    private var patterns: [SplitPattern] {
        preTokenizer.stages.compactMap { if case .split(let pattern, _, _) = $0 { pattern } else { nil } }
    }

    /// llama.cpp does not know the long s in a contraction; nobody's text has one there.
    private static func folded(_ pattern: SplitPattern) -> SplitPattern {
        guard case .words(var words) = pattern else { return pattern }
        words.folding = .ascii
        return .words(words)
    }

    private static let llama3 = SplitPattern.words(.init(folding: .ascii, digits: 3))
    private static let qwen2 = SplitPattern.words(.init(folding: .ascii, digits: 1))
    private static let gpt4o = SplitPattern.words(
        .init(contractions: .afterLetters, folding: .ascii, digits: 3, splitsAtCapitals: true, takesSlashes: true))
    private static let tekken = SplitPattern.words(
        .init(contractions: .none, digits: 1, splitsAtCapitals: true, takesSlashes: true))

    private static func llamaLike(_ pattern: SplitPattern, cleansSpaces: Bool) -> GGUFPreTokenizer {
        var result = GGUFPreTokenizer(pattern, cleansSpaces: cleansSpaces)
        result.takesWholeWords = true
        result.addsBegin = true
        return result
    }

    private static let groups: [(names: [String], value: GGUFPreTokenizer)] = [
        (
            ["default"],
            GGUFPreTokenizer(.punctuation(includesBacktick: false), .gpt2, .numbers(atMost: .max), .threeDigits)
        ),
        (
            ["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
            llamaLike(llama3, cleansSpaces: true)
        ),
        (["tekken"], llamaLike(tekken, cleansSpaces: false)),
        (["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], GGUFPreTokenizer(llama3)),
        (
            ["deepseek-llm"],
            GGUFPreTokenizer(
                .newline, .spaced(.casedLetters), .spaced(.wideMarks), .trailingSpace,
                .ranges(SplitPattern.asianScripts), .numbers(atMost: .max), cleansSpaces: false)
        ),
        (
            ["deepseek-coder"],
            GGUFPreTokenizer(
                .newline, .spaced(.letters), .spaced(.punctuation), .ranges(SplitPattern.asianScripts),
                .numbers(atMost: 1), cleansSpaces: false)
        ),
        (
            ["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
            GGUFPreTokenizer(
                .numbers(atMost: 3), .ranges(SplitPattern.hanAndKana), .deepSeek3, cleansSpaces: false)
        ),
        (["falcon"], GGUFPreTokenizer(.punctuation(includesBacktick: true), .gpt2, .threeDigits)),
        (
            ["starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"],
            GGUFPreTokenizer(.numbers(atMost: 1), .gpt2)
        ),
        (["command-r", "smollm"], GGUFPreTokenizer(.numbers(atMost: 1), .gpt2, cleansSpaces: false)),
        (
            ["gpt-2", "phi-2", "gigachat", "a.x-4.0", "mellum", "modern-bert", "mpt", "olmo", "jais", "exaone4"],
            GGUFPreTokenizer(.gpt2)
        ),
        (["trillion", "granite-docling"], GGUFPreTokenizer(.gpt2, cleansSpaces: false)),
        (
            [
                "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "hunyuan", "grok-2", "solar-open", "bailingmoe",
                "bailingmoe2",
                "llada-moe",
            ],
            GGUFPreTokenizer(qwen2, cleansSpaces: false)
        ),
        (["laguna"], GGUFPreTokenizer(.lines, qwen2, cleansSpaces: false)),
        (["stablelm2", "megrez"], GGUFPreTokenizer(qwen2)),
        (
            ["qwen35"],
            GGUFPreTokenizer(.words(.init(folding: .ascii, digits: 1, joinsMarks: true)), cleansSpaces: false)
        ),
        (["gpt-4o", "llama4", "kanana2", "minimax-m2"], GGUFPreTokenizer(gpt4o, cleansSpaces: false)),
    ]
}
