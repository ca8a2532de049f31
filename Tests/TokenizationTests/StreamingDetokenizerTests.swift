import InferenceTypes
import TestSupport
import Testing
import Tokenization

@Suite("Streaming detokeniser")
struct StreamingDetokenizerTests {
    @Test("A scalar comes with its last byte, never before")
    func wholeScalars() throws {
        let tokenizer = try TinyTokenizers.sentencePiece()
        var stream = StreamingDetokenizer(tokenizer, after: [264])
        // U+1F600 as byte tokens: byte + 3.
        #expect(stream.append(0xF0 + 3) == [])
        #expect(stream.append(0x9F + 3) == [])
        #expect(stream.append(0x98 + 3) == [])
        #expect(stream.append(0x80 + 3) == Array("\u{1F600}".utf8))
        #expect(stream.finish() == [])
    }

    @Test("What cannot become a scalar is U+FFFD, as soon as that is certain")
    func illFormed() throws {
        let tokenizer = try TinyTokenizers.sentencePiece()
        var stream = StreamingDetokenizer(tokenizer, after: [264])
        #expect(stream.append(0xF0 + 3) == [])
        #expect(stream.append(260) == Array("\u{FFFD}a".utf8))
        #expect(stream.append(0x80 + 3) == Array("\u{FFFD}".utf8))
        #expect(stream.append(0xE2 + 3) == [])
        #expect(stream.finish() == Array("\u{FFFD}".utf8))
        #expect(stream.finish() == [])
    }

    @Test("The first space goes where the text begins and stays behind a prompt")
    func firstSpace() throws {
        let tokenizer = try TinyTokenizers.sentencePiece()
        var first = StreamingDetokenizer(tokenizer, after: [])
        #expect(first.append(263) == Array("ab".utf8))
        #expect(first.append(263) == Array(" ab".utf8))
        var afterBegin = StreamingDetokenizer(tokenizer, after: [1])
        #expect(afterBegin.append(263) == Array("ab".utf8))
        var afterPrompt = StreamingDetokenizer(tokenizer, after: [1, 264])
        #expect(afterPrompt.append(263) == Array(" ab".utf8))
    }

    @Test("Special tokens and ids out of range give nothing")
    func special() throws {
        let tokenizer = try TinyTokenizers.byteLevel()
        var stream = StreamingDetokenizer(tokenizer, after: [])
        #expect(stream.append(262) == [])
        #expect(stream.append(100_000) == [])
        #expect(stream.append(-5) == [])
        #expect(stream.append(258) == Array("hell".utf8))
    }

    @Test("Special tokens show where they are kept, and a prompt of them is text then")
    func kept() throws {
        let byteLevel = try TinyTokenizers.byteLevel()
        var stream = StreamingDetokenizer(byteLevel, after: [], specialTokens: .keep)
        #expect(stream.append(263) == Array("<s>".utf8))
        #expect(stream.append(258) == Array("hell".utf8))
        #expect(stream.append(262) == Array("<|end|>".utf8))
        #expect(stream.append(100_000) == [])
        let pieces = try TinyTokenizers.sentencePiece()
        var afterBegin = StreamingDetokenizer(pieces, after: [1], specialTokens: .keep)
        #expect(afterBegin.append(263) == Array(" ab".utf8))
        #expect(pieces.decode([1, 263], specialTokens: .keep) == Array("<s> ab".utf8))
        // An unfinished scalar does not wait for what is behind a special token.
        #expect(afterBegin.append(0xC3 + 3) == [])
        #expect(afterBegin.append(2) == Array("\u{FFFD}</s>".utf8))
    }

    @Test("Random tokens: the parts are well-formed and join to the decoded text, behind any prompt", arguments: 0..<40)
    func random(_ seed: Int) throws {
        for tokenizer in try [TinyTokenizers.byteLevel(), TinyTokenizers.sentencePiece()] {
            var generator = TestGenerator(seed: UInt64(seed))
            let tokens = (0..<60).map { _ in
                TokenID.random(in: 0..<TokenID(tokenizer.vocabularyCount), using: &generator)
            }
            let split = Int.random(in: 0..<30, using: &generator)
            // A prompt that ends with a whole scalar: an unfinished one does not wait for what is generated.
            let end = tokenizer.encode(Array("a".utf8), addSpecialTokens: .omit)
            let prompt = split == 0 ? [] : Array(tokens[..<split]) + end
            for shown in [SpecialTokenText.skip, .keep] {
                var stream = StreamingDetokenizer(tokenizer, after: prompt, specialTokens: shown)
                var text: [UInt8] = []
                for token in tokens[split...] {
                    let part = stream.append(token)
                    #expect(part.isValidUTF8)
                    text += part
                }
                text += stream.finish()
                let whole = tokenizer.decode(prompt + tokens[split...], specialTokens: shown)
                #expect(whole == tokenizer.decode(prompt, specialTokens: shown) + text)
            }
        }
    }

    @Test("A copy goes its own way")
    func fork() throws {
        let tokenizer = try TinyTokenizers.sentencePiece()
        var left = StreamingDetokenizer(tokenizer, after: [264])
        #expect(left.append(0xC3 + 3) == [])
        var right = left
        #expect(left.append(0xA9 + 3) == Array("\u{E9}".utf8))
        #expect(right.append(0xA8 + 3) == Array("\u{E8}".utf8))
    }
}
