import InferenceTypes

/// Turns tokens into text: what each stands for, and what happens where they meet.
struct Decoder: Sendable {
    /// What is taken away where the text begins.
    enum Start: Sendable, Equatable {
        case kept
        /// Up to this many spaces.
        case dropsSpaces(Int)
        /// Every space mark of the first token (Hugging Face's `Metaspace`).
        case dropsMarksOfFirstToken
        /// The space mark of each piece until some text is there (SentencePiece): the mark of the first piece that has
        /// more than it, and, where extra spaces are removed, of all that have nothing else.
        case dropsLeadingMarks(removesAll: Bool)
    }

    /// What ill-formed bytes become.
    enum IllFormed: Sendable {
        case repaired(UTF8Repairer.Policy)
        /// A run of byte tokens that is not well-formed as a whole becomes U+FFFD for each of its bytes.
        case wholeRuns
    }

    /// Bytes of each token in the middle of a text.
    var texts: ByteStrings
    var kinds: [TokenKind]
    /// Tokens that are left out of decoded text when special tokens are.
    var special: Set<TokenID>
    var start = Start.kept
    var illFormed = IllFormed.repaired(.perPart)
    /// Between tokens: a space where `tokenizer.json` has no decoder.
    var separator: [UInt8] = []

    static let mark = Array("▁".utf8)

    func isShown(_ token: TokenID, _ specialTokens: SpecialTokenText) -> Bool {
        guard token >= 0, Int(token) < kinds.count, kinds[Int(token)] != .none else { return false }
        return specialTokens == .keep || !special.contains(token)
    }

    func decode(_ tokens: [TokenID], _ specialTokens: SpecialTokenText) -> [UInt8] {
        var state = State(self)
        var output: [UInt8] = []
        for token in tokens where isShown(token, specialTokens) { state.append(token, self, into: &output) }
        state.finish(into: &output)
        return output
    }

    /// Where decoding stands between two tokens.
    struct State: Sendable {
        private var repairer: UTF8Repairer
        private let judgesWholeRuns: Bool
        /// Byte tokens whose run has not ended, where runs are judged as a whole.
        private var run: [UInt8] = []
        private var isFirstToken = true
        private var isAtStart = true
        private var droppedSpaceCount = 0

        init(_ decoder: Decoder) {
            if case .repaired(let policy) = decoder.illFormed {
                repairer = UTF8Repairer(policy: policy)
                judgesWholeRuns = false
            } else {
                repairer = UTF8Repairer(policy: .perByte)
                judgesWholeRuns = true
            }
        }

        /// For text that is wanted while tokens come: a run of byte tokens cannot be waited for, so what is ill-formed
        /// in it is replaced alone.
        init(streaming decoder: Decoder) {
            if case .repaired(let policy) = decoder.illFormed {
                repairer = UTF8Repairer(policy: policy)
            } else {
                repairer = UTF8Repairer(policy: .perByte)
            }
            judgesWholeRuns = false
        }

        /// Notes that text is there already: nothing is dropped from now on.
        mutating func passStart() {
            isFirstToken = false
            isAtStart = false
        }

        /// Takes a token that is shown.
        mutating func append(_ token: TokenID, _ decoder: Decoder, into output: inout [UInt8]) {
            if !isFirstToken { repairer.append(decoder.separator, into: &output) }
            let text = isAtStart ? trimmed(token, decoder) : decoder.texts[token]
            isFirstToken = false
            if judgesWholeRuns {
                if decoder.kinds[Int(token)] == .byte {
                    run.append(contentsOf: text)
                    return
                }
                flushRun(into: &output)
            }
            repairer.append(text, into: &output)
        }

        mutating func finish(into output: inout [UInt8]) {
            flushRun(into: &output)
            repairer.finish(into: &output)
        }

        private mutating func flushRun(into output: inout [UInt8]) {
            guard !run.isEmpty else { return }
            if run.isValidUTF8 {
                output.append(contentsOf: run)
            } else {
                for _ in run { output.append(contentsOf: UTF8Repairer.replacement) }
            }
            run.removeAll()
        }

        private mutating func trimmed(_ token: TokenID, _ decoder: Decoder) -> ArraySlice<UInt8> {
            var text = decoder.texts[token]
            switch decoder.start {
            case .kept: isAtStart = false
            case .dropsSpaces(let count):
                while droppedSpaceCount < count, text.first == 0x20 {
                    text = text.dropFirst()
                    droppedSpaceCount += 1
                }
                if droppedSpaceCount == count || !text.isEmpty { isAtStart = false }
            case .dropsMarksOfFirstToken:
                text = ArraySlice(text.filter { $0 != 0x20 })
                isAtStart = false
            case .dropsLeadingMarks(let removesAll):
                let hadSpace = text.first == 0x20 && decoder.kinds[Int(token)] != .unknown
                if hadSpace { text = text.dropFirst() }
                if !text.isEmpty || (hadSpace && !removesAll) { isAtStart = false }
            }
            return text
        }
    }
}
