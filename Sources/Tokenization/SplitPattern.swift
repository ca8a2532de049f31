/// The patterns that tokenisers split text with, each written out by hand: no regular-expression engine runs on request
/// text. A pattern is known by its exact spelling in `tokenizer.json`, or by its name in GGUF.
enum SplitPattern: Sendable, Equatable {
    /// GPT-2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// The family of cl100k: Llama 3, Qwen 2, GPT-4o and relatives.
    case words(WordPattern)
    /// DeepSeek V3: `[!-/:-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|…`
    case deepSeek3
    /// `\p{N}{1,n}`
    case numbers(atMost: Int)
    /// `[0-9][0-9][0-9]`
    case threeDigits
    /// `[\r\n]`
    case newline
    /// `[^\n]+|[\n]+`
    case lines
    /// `\s?` and one or more of a set.
    case spaced(SpacedRun)
    /// `\s+$`
    case trailingSpace
    /// One or more scalars of some ranges.
    case ranges([ClosedRange<UInt32>])
    /// One or more of `\p{P}` and of ASCII's symbols; GGUF's `default` leaves the backtick out.
    case punctuation(includesBacktick: Bool)
    /// ` {2,}`
    case spaces(atLeast: Int)
    /// A text from the file.
    case literal([UInt32])

    enum SpacedRun: Sendable, Equatable {
        /// `\s?\p{L}+`
        case letters
        /// `\s?\p{P}+`
        case punctuation
        /// `\s?[A-Za-zµÀ-Ö…]+`: cased letters of DeepSeek LLM.
        case casedLetters
        /// `\s?[!-/:-~！-／：-～‘-‟　-。]+`
        case wideMarks
    }

    /// Which letters are one in a contraction.
    enum CaseFolding: Sendable, Equatable {
        case none
        /// `'[sS]`
        case ascii
        /// `(?i:'s)`: the long s too.
        case unicode
    }

    /// What differs between the relatives of cl100k.
    struct WordPattern: Sendable, Equatable {
        enum Contractions: Sendable { case first, afterLetters, none }
        /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)` as an alternative of its own or behind the letters.
        var contractions = Contractions.first
        var folding = CaseFolding.unicode
        /// `\p{N}{1,n}`
        var digits: Int
        /// Whether capitals begin a new word, as in `[\p{Lu}…]*[\p{Ll}…]+`.
        var splitsAtCapitals = false
        /// Whether marks count as letters.
        var joinsMarks = false
        /// Whether `/` may follow punctuation as line ends do.
        var takesSlashes = false
    }
}

/// A text that patterns look at, without bounds checks on each look: `end` is checked once by the caller.
struct ScalarView {
    let scalars: UnsafePointer<UInt32>
    let classes: UnsafePointer<ScalarClass>
    /// Where the piece that is being split ends: nothing beyond is seen.
    let end: Int

    @inline(__always)
    func has(_ set: ScalarClass.Set, _ index: Int) -> Bool { index < end && classes[index].isIn(set) }

    @inline(__always)
    func hasSpace(_ index: Int) -> Bool { index < end && classes[index].isWhiteSpace }

    @inline(__always)
    func isLineEnd(_ index: Int) -> Bool { index < end && (scalars[index] == 0x0A || scalars[index] == 0x0D) }

    @inline(__always)
    func run(_ set: ScalarClass.Set, from index: Int) -> Int {
        var index = index
        while index < end, classes[index].isIn(set) { index += 1 }
        return index
    }

    @inline(__always)
    func spaces(from index: Int) -> Int {
        var index = index
        while index < end, classes[index].isWhiteSpace { index += 1 }
        return index
    }

    @inline(__always)
    func lineEnds(from index: Int) -> Int {
        var index = index
        while isLineEnd(index) { index += 1 }
        return index
    }
}
