import Checkpoints
import InferenceTypes
import Testing
import Tokenization

/// `tokenizer.model` files written here byte by byte.
@Suite("SentencePiece model files")
struct SentencePieceModelTests {
    private func varint(_ value: Int) -> [UInt8] {
        var (rest, bytes) = (value, [UInt8]())
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F | 0x80))
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    private func field(_ number: Int, _ bytes: [UInt8]) -> [UInt8] {
        varint(number << 3 | 2) + varint(bytes.count) + bytes
    }

    private func number(_ field: Int, _ value: Int) -> [UInt8] { varint(field << 3) + varint(value) }

    private func piece(_ text: String, _ score: Float, _ kind: Int = 1) -> [UInt8] {
        let bits = score.bitPattern
        let word = (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
        return field(1, field(1, Array(text.utf8)) + varint(2 << 3 | 5) + word + number(3, kind))
    }

    private func model(type: Int, _ pieces: [UInt8], normalizer: [UInt8] = []) -> [UInt8] {
        piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + pieces + field(2, number(3, type))
            + field(3, normalizer)
    }

    private func tokenizer(_ bytes: [UInt8]) throws -> Tokenizer {
        try Tokenizer(.files(TokenizerFiles(sentencePieceModel: bytes)))
    }

    private func ids(_ tokenizer: Tokenizer, _ text: String) -> [TokenID] {
        tokenizer.encode(Array(text.utf8), addSpecialTokens: .omit)
    }

    @Test("A unigram model takes the segmentation with the highest sum")
    func unigram() throws {
        // 3 ▁, 4 a, 5 b, 6 ab, 7 ▁ab
        let pieces =
            piece("\u{2581}", -2) + piece("a", -1) + piece("b", -1) + piece("ab", -1.5) + piece("\u{2581}ab", -4)
        let tokenizer = try tokenizer(model(type: 1, pieces))
        #expect(tokenizer.summary == "SentencePiece unigram, 8 tokens, BOS 1, EOS 2")
        #expect(ids(tokenizer, "ab") == [3, 6])
        #expect(ids(tokenizer, "  ab   ab ") == [3, 6, 3, 6])
        #expect(ids(tokenizer, "xyb") == [3, 0, 5])
        #expect(tokenizer.decode([3, 0, 5], specialTokens: .skip) == Array(" \u{2047} b".utf8))
        #expect(tokenizer.decode([7, 3, 6], specialTokens: .skip) == Array("ab ab".utf8))
    }

    @Test("A BPE model: user-defined pieces stay whole, unused ones are taken apart, spaces stay where asked")
    func bytePair() throws {
        // 3 ▁, 4 a, 5 b, 6 ab (unused), 7 aba, 8 <x> (user-defined)
        let pieces =
            piece("\u{2581}", -9) + piece("a", -8) + piece("b", -7) + piece("ab", -1, 5) + piece("aba", -2)
            + piece("<x>", 0, 4)
        let tokenizer = try tokenizer(model(type: 2, pieces, normalizer: number(4, 0)))
        #expect(ids(tokenizer, "ab") == [3, 4, 5])
        #expect(ids(tokenizer, "aba") == [3, 7])
        #expect(ids(tokenizer, "a<x>b") == [3, 4, 8, 5])
        #expect(ids(tokenizer, "a  b") == [3, 4, 3, 3, 5])
        #expect(tokenizer.encode(Array("a".utf8), addSpecialTokens: .add) == [1, 3, 4])
    }

    @Test("Damage is refused with the place: cut anywhere, no unknown piece, twice the same, odd types and scores")
    func damage() throws {
        let good = model(type: 2, piece("a", -1))
        func message(_ bytes: [UInt8]) -> String {
            do throws(TokenizerError) {
                _ = try Tokenizer(.files(TokenizerFiles(sentencePieceModel: bytes)))
                return ""
            } catch { return error.message }
        }
        #expect(message(good) == "")
        for count in 0..<good.count where message(Array(good[..<count])) == "" {
            // Only a cut between whole fields leaves a model.
            #expect([0x0A, 0x12, 0x1A].contains(good[count]))
        }
        #expect(message(piece("a", -1)).contains("expected one unknown piece"))
        #expect(message(model(type: 2, piece("a", -1) + piece("a", -2))).contains("there twice"))
        #expect(message(model(type: 2, piece("a", -1, 9))).contains("unknown type 9"))
        #expect(message(model(type: 2, piece("a", .nan))).contains("finite"))
        #expect(message(model(type: 3, piece("a", -1))).contains("model type 3"))
        #expect(message(model(type: 2, piece("", -1))).contains("piece 3"))
        #expect(message([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]) != "")
        #expect(message(Array("not a model".utf8)) != "")
    }
}
