/// Patterns of published `tokenizer.json` files, by their exact text.
enum KnownPatterns {
    /// The pattern with this text; line ends in it may be spelled as themselves or as `\r` and `\n`.
    static func pattern(_ text: [UInt8]) -> SplitPattern? {
        var spelled: [UInt8] = []
        for byte in text {
            switch byte {
            case 0x0D: spelled.append(contentsOf: Array(#"\r"#.utf8))
            case 0x0A: spelled.append(contentsOf: Array(#"\n"#.utf8))
            default: spelled.append(byte)
            }
        }
        return byText[spelled]
    }

    private typealias Words = SplitPattern.WordPattern

    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
    private static let contraction = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)"#
    private static let symbolsAndSpace = #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let symbolsSlashesAndSpace = #" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let small = #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"#
    private static let capital = #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
    private static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"#
    private static let deepSeek3 =
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
        + #"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    private static let possessive = #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|"#
    private static let possessiveEnd = #"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#

    private static let byText: [[UInt8]: SplitPattern] = {
        let patterns: [(String, SplitPattern)] = [
            (gpt2 + #"|\s+"#, .gpt2),
            (gpt2, .gpt2),
            // Llama 3, DBRX, GLM 4, Falcon 3
            (contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"# + symbolsAndSpace, .words(Words(digits: 3))),
            // Qwen 2, StableLM 2
            (contraction + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"# + symbolsAndSpace, .words(Words(digits: 1))),
            // cl100k as tiktoken spells it, and Bailing's
            (possessive + #"\p{N}{1,3}"# + possessiveEnd, .words(Words(digits: 3))),
            (possessive + #"\p{N}"# + possessiveEnd, .words(Words(digits: 1))),
            // Qwen 3.5
            (
                contraction + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"#
                    + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#,
                .words(Words(digits: 1, joinsMarks: true))
            ),
            // o200k: GPT-4o, Llama 4
            (
                small + contraction + "?|" + capital + contraction + #"?|\p{N}{1,3}|"# + symbolsSlashesAndSpace,
                .words(Words(contractions: .afterLetters, digits: 3, splitsAtCapitals: true, takesSlashes: true))
            ),
            // Tekken: Mistral Nemo
            (
                small + "|" + capital + #"|\p{N}|"# + symbolsSlashesAndSpace,
                .words(Words(contractions: .none, digits: 1, splitsAtCapitals: true, takesSlashes: true))
            ),
            (deepSeek3, .deepSeek3),
            (#"\p{N}{1,3}"#, .numbers(atMost: 3)),
            (#"\p{N}"#, .numbers(atMost: 1)),
            (#"\p{N}+"#, .numbers(atMost: .max)),
            (#"[0-9][0-9][0-9]"#, .threeDigits),
            (#"[\r\n]"#, .newline),
            (#"[^\n]+|[\n]+"#, .lines),
            (#"\s?\p{L}+"#, .spaced(.letters)),
            (#"\s?\p{P}+"#, .spaced(.punctuation)),
            (#"\s?"# + set(SplitPattern.casedLetters) + "+", .spaced(.casedLetters)),
            (#"\s?"# + set(SplitPattern.wideMarks) + "+", .spaced(.wideMarks)),
            (#"\s+$"#, .trailingSpace),
            (set(SplitPattern.asianScripts) + "+", .ranges(SplitPattern.asianScripts)),
            (set(SplitPattern.hanAndKana) + "+", .ranges(SplitPattern.hanAndKana)),
            (" {2,}", .spaces(atLeast: 2)),
        ]
        return Dictionary(patterns.map { (Array($0.0.utf8), $0.1) }) { first, _ in first }
    }()

    /// A bracket expression as the files spell it: two neighbouring scalars without a hyphen.
    private static func set(_ ranges: [ClosedRange<UInt32>]) -> String {
        var text = String.UnicodeScalarView()
        for range in ranges {
            guard let first = Unicode.Scalar(range.lowerBound), let last = Unicode.Scalar(range.upperBound) else {
                continue
            }
            text.append(first)
            if range.count > 1 { text.append(contentsOf: ["-", last]) }
        }
        return "[" + String(text) + "]"
    }
}
