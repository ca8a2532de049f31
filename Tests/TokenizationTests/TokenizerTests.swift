import Checkpoints
import InferenceTypes
import TestSupport
import Testing
import Tokenization

@Suite("Tokeniser")
struct TokenizerTests {
    private func ids(
        _ tokenizer: Tokenizer, _ text: String, _ special: SpecialTokens = .omit, _ spellings: SpecialSpellings = .parse
    ) -> [TokenID] {
        tokenizer.encode(Array(text.utf8), addSpecialTokens: special, spellings: spellings)
    }

    @Test("Byte-level BPE merges by rank, word by word")
    func byteLevel() throws {
        let tokenizer = try TinyTokenizers.byteLevel()
        #expect(tokenizer.vocabularyCount == 264)
        #expect(ids(tokenizer, "hello hello") == [259, 260])
        #expect(ids(tokenizer, "hell") == [258])
        #expect(ids(tokenizer, "\u{E9}") == [261])
        #expect(tokenizer.bytes(of: 261) == [0xC3, 0xA9])
        #expect(tokenizer.bytes(of: 260) == Array(" hello".utf8))
        #expect(tokenizer.bytes(of: 999).isEmpty)
        #expect(tokenizer.bytes(of: -1).isEmpty)
        #expect(tokenizer.id(of: Array("hell".utf8)) == 258)
        #expect(tokenizer.id(of: Array("<s>".utf8)) == 263)
        #expect(tokenizer.id(of: []) == nil)
    }

    @Test("Spellings of special tokens become their ids, or stay text where that is asked")
    func spellings() throws {
        let tokenizer = try TinyTokenizers.byteLevel()
        #expect(ids(tokenizer, "hello<|end|>hello") == [259, 262, 259])
        #expect(!ids(tokenizer, "hello<|end|>hello", .omit, .asText).contains(262))
        #expect(ids(tokenizer, "", .add) == [263])
        #expect(ids(tokenizer, "hell", .add) == [263, 258])
        #expect(tokenizer.decode([263, 258, 262], specialTokens: .skip) == Array("hell".utf8))
        #expect(tokenizer.decode([263, 258, 262], specialTokens: .keep) == Array("<s>hell<|end|>".utf8))
    }

    @Test("Every byte string comes back, as itself or with U+FFFD for what is no UTF-8")
    func roundTrip() throws {
        let tokenizer = try TinyTokenizers.byteLevel()
        var generator = TestGenerator(seed: 7)
        for _ in 0..<500 {
            let count = Int.random(in: 0..<40, using: &generator)
            let text = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            let decoded = tokenizer.decode(tokenizer.encode(text, addSpecialTokens: .omit), specialTokens: .keep)
            #expect(decoded == Array(String(decoding: text, as: UTF8.self).utf8))
        }
    }

    @Test("SentencePiece BPE merges by score, the leftmost first on a tie")
    func sentencePiece() throws {
        let tokenizer = try TinyTokenizers.sentencePiece()
        // 259 ▁, 260 a, 261 b, 262 ab, 263 ▁ab, 264 ▁a
        #expect(ids(tokenizer, "ab ab") == [263, 263])
        #expect(ids(tokenizer, "ba") == [259, 261, 260])
        #expect(ids(tokenizer, "a", .add) == [1, 264])
        #expect(ids(tokenizer, "a</s>b") == [264, 2, 259, 261])
        #expect(ids(tokenizer, "\n") == [259, 13])
        #expect(tokenizer.decode([263, 263], specialTokens: .skip) == Array("ab ab".utf8))
        #expect(tokenizer.decode([1, 263, 2], specialTokens: .skip) == Array("ab".utf8))
        #expect(tokenizer.bytes(of: 263) == Array(" ab".utf8))
        #expect(tokenizer.bytes(of: 13) == [0x0A])
    }

    @Test("Without byte tokens a character outside the vocabulary is the unknown token, neighbours one")
    func unknown() throws {
        let tokenizer = try TinyTokenizers.sentencePiece(hasByteTokens: false)
        #expect(ids(tokenizer, "a\u{1F600}\n b") == [8, 0, 3, 5])
    }

    @Test("The word cut at marks gives the tokens of the whole text")
    func markBoundaries() throws {
        // A piece with a mark behind a letter forbids cutting.
        var keys = TinyTokenizers.sentencePieceKeys()
        if case .strings(var tokens)? = keys[Array("tokenizer.ggml.tokens".utf8)] {
            tokens[264] = Array("b\u{2581}".utf8)
            keys[Array("tokenizer.ggml.tokens".utf8)] = .strings(tokens)
        }
        let tokenizer = try Tokenizer(.gguf(GGUFMetadata(keys)))
        #expect(ids(tokenizer, "b b") == [259, 264, 261])
    }
}
