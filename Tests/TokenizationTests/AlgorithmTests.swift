import InferenceTypes
import TestSupport
import Testing

@testable import Tokenization

/// The fast paths against plain ones.
@Suite("Tokeniser algorithms")
struct AlgorithmTests {
    @Test("The heap merges what scanning merges", arguments: 0..<60)
    func heapEqualsScanning(_ seed: Int) {
        var generator = TestGenerator(seed: UInt64(seed))
        var merges = MergeTable(minimumCapacity: 64)
        for id in TokenID(4)..<40 {
            let pair = (0..<2).map { _ in TokenID.random(in: 0..<id, using: &generator) }
            merges.insert(pair[0], pair[1], rank: UInt32.random(in: 0..<1_000_000, using: &generator), merged: id)
        }
        var byScanning = BytePairMerger()
        byScanning.symbols = (0..<200).map { _ in TokenID.random(in: 0..<4, using: &generator) }
        var byHeap = byScanning
        byScanning.mergeByScanning(merges)
        byHeap.mergeByHeap(merges)
        #expect(byHeap.symbols == byScanning.symbols)
    }

    @Test(
        "A row of one symbol takes as many heap operations as it has symbols, to a constant", arguments: [4096, 16384])
    func linearMerges(_ count: Int) {
        // Doubling pieces: 0 → 1 → 2 …, ranks in order.
        var merges = MergeTable(minimumCapacity: 16)
        for id in TokenID(0)..<12 { merges.insert(id, id, rank: UInt32(id), merged: id + 1) }
        var merger = BytePairMerger()
        merger.symbols = [TokenID](repeating: 0, count: count)
        merger.mergeByHeap(merges)
        #expect(merger.symbols == [TokenID](repeating: 12, count: count / 4096))
        #expect(merger.operationCount <= 4 * count)
    }

    @Test("The heap gives the lowest rank, then the leftmost")
    func heap() {
        var heap = MergeHeap()
        for (rank, position) in [(5, 1), (3, 9), (3, 2), (7, 0), (3, 4)] as [(UInt32, Int)] {
            heap.push(rank: rank, position: position)
        }
        var order: [Int] = []
        while let top = heap.pop() { order.append(top.position) }
        #expect(order == [2, 4, 9, 1, 0])
    }

    @Test("Marks come in canonical order, in the form that is asked for")
    func normalization() {
        let text = Array("e\u{301}\u{316} \u{1100}\u{1161}\u{11A8} \u{FB01} \u{0F73}\u{0F71}".utf8)
        #expect(
            UnicodeNormalization.apply(.canonicalComposition, text)
                == Array("\u{E9}\u{316} \u{AC01} \u{FB01} \u{0F71}\u{0F71}\u{0F72}".utf8))
        #expect(
            UnicodeNormalization.apply(.canonicalDecomposition, text)
                == Array("e\u{316}\u{301} \u{1100}\u{1161}\u{11A8} \u{FB01} \u{0F71}\u{0F71}\u{0F72}".utf8))
        #expect(
            UnicodeNormalization.apply(.compatibilityComposition, Array("\u{FB01}\u{B2}".utf8)) == Array("fi2".utf8))
        #expect(
            UnicodeNormalization.apply(.compatibilityDecomposition, Array("\u{FDFA}".utf8)).count == 33)
    }

    struct Split: Sendable, CustomTestStringConvertible {
        var stages: [PreTokenizer.Stage]
        var text: String
        var words: [String]

        init(_ pattern: SplitPattern, _ text: String, _ words: [String]) {
            self.init([.split(pattern, .isolated, isInverted: false)], text, words)
        }

        init(_ stages: [PreTokenizer.Stage], _ text: String, _ words: [String]) {
            (self.stages, self.text, self.words) = (stages, text, words)
        }

        var testDescription: String { "\(stages) \(text.debugDescription)" }
    }

    private static let gpt4o = SplitPattern.words(
        .init(contractions: .afterLetters, digits: 3, splitsAtCapitals: true, takesSlashes: true))

    static let splits = [
        Split(.gpt2, "I've  12ab!\n\n x", ["I", "'ve", " ", " 12", "ab", "!", "\n\n", " x"]),
        Split(.gpt2, "   ", ["   "]),
        Split(
            .words(.init(digits: 3)), "I'VE 12345\n\n  x\t!\r\ny",
            ["I", "'VE", " ", "123", "45", "\n\n", " ", " x", "\t", "!\r\n", "y"]),
        Split(.words(.init(digits: 1)), "a12 \n b", ["a", "1", "2", " \n", " b"]),
        Split(.words(.init(digits: 1, joinsMarks: true)), "e\u{301}x", ["e\u{301}x"]),
        Split(gpt4o, "HTTPServer don't a/b//", ["HTTPServer", " don't", " a", "/b", "//"]),
        Split(.deepSeek3, "(word) \u{301}a++\nb", ["(word", ")", " \u{301}a", "++\n", "b"]),
        Split(.numbers(atMost: 3), "1234a", ["123", "4", "a"]),
        Split(.threeDigits, "1234567", ["123", "456", "7"]),
        Split(.trailingSpace, "a b  ", ["a b", "  "]),
        Split(.lines, "a\n\nb", ["a", "\n\n", "b"]),
        Split([.digits(.contiguous)], "ab12c", ["ab", "12", "c"]),
        Split([.punctuation(.contiguous)], "a.,b$", ["a", ".,", "b", "$"]),
        Split([.punctuation(.mergedWithPrevious)], "a.,b", ["a.", ",", "b"]),
        Split([.punctuation(.mergedWithNext)], "a.,b", ["a", ".", ",b"]),
        Split([.whitespaceSplit], " a  b ", ["a", "b"]),
        Split([.words], "ab, c", ["ab", ",", "c"]),
        Split([.metaspace(.init())], "a b", ["\u{2581}a", "\u{2581}b"]),
        Split([.metaspace(.init(prefix: .never, splits: false))], "a b", ["a\u{2581}b"]),
        Split([.byteLevel(addsPrefixSpace: true, splits: true)], "a b", [" a", " b"]),
    ]

    @Test("Texts are cut into words", arguments: splits)
    func split(_ split: Split) {
        var words: [String] = []
        PreTokenizer(stages: split.stages).forEachWord(Array(split.text.utf8), isFirst: true) {
            words.append(String(decoding: $0, as: UTF8.self))
        }
        #expect(words == split.words)
    }

    @Test("Added tokens: leftmost, then longest; single words; white space around")
    func addedTokens() {
        let matcher = AddedTokenMatcher([
            AddedToken(id: 1, content: Array("ab".utf8), isSpecial: false),
            AddedToken(id: 2, content: Array("abc".utf8), isSpecial: true),
            AddedToken(id: 3, content: Array("the".utf8), isSpecial: false, isSingleWord: true),
            AddedToken(id: 4, content: Array("<m>".utf8), isSpecial: true, stripsLeft: true, stripsRight: true),
        ])
        func found(_ text: String, _ spellings: SpecialSpellings = .parse) -> String {
            matcher.segments(of: Array(text.utf8), spellings: spellings).map { segment in
                switch segment {
                case .token(let id): "[\(id)]"
                case .text(let range): String(decoding: Array(text.utf8)[range], as: UTF8.self)
                }
            }.joined(separator: "|")
        }
        #expect(found("xabcab") == "x|[2]|[1]")
        #expect(found("abc", .asText) == "abc")
        #expect(found("the other, the") == "[3]| other, |[3]")
        #expect(found("a  <m> \n b") == "a|[4]|b")
    }

    @Test("Bytes and their stand-ins")
    func alphabet() {
        for byte in UInt8.min...UInt8.max {
            #expect(ByteLevelAlphabet.decode(ByteLevelAlphabet.spelling(of: byte)) == [byte])
        }
        #expect(ByteLevelAlphabet.spelling(of: 0x20) == Array("\u{120}".utf8))
        #expect(ByteLevelAlphabet.decode(Array("a b".utf8)) == nil)
        #expect(ByteLevelAlphabet.decode([0xC4]) == nil)
    }
}
