import Checkpoints
import Foundation
import InferenceTypes
import TestSupport
import Testing
import Tokenization

@Suite("Tokens with a name")
struct NamedTokenTests {
    /// The tiny byte-level tokeniser with added tokens from id 264.
    private func byteLevel(_ spellings: [String], _ configuration: String = "{}") throws -> Tokenizer {
        let added = spellings.enumerated().map {
            "{\"id\": \(264 + $0.offset), \"content\": \"\($0.element)\", \"special\": true, \"normalized\": false}"
        }
        let anchor = "{\"id\": 263, "
        let json = TinyTokenizers.byteLevelJSON([(anchor, (added + [anchor]).joined(separator: ", "))])
        return try Tokenizer(
            .files(
                TokenizerFiles(
                    tokenizerJSON: json,
                    configuration: try JSONParser.parse(Array(configuration.utf8), limits: .modelFile))))
    }

    private func sentencePiece(_ changes: [String: GGUFValue]) throws -> Tokenizer {
        var keys = TinyTokenizers.sentencePieceKeys()
        for (key, value) in changes { keys[Array("tokenizer.ggml.\(key)".utf8)] = value }
        return try Tokenizer(.gguf(GGUFMetadata(keys)))
    }

    @Test(
        "The three tokens of a fill-in-the-middle model are known by any family's spelling",
        arguments: [
            ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"], ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
            ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"], ["<PRE>", "<SUF>", "<MID>"],
            ["\u{2581}<PRE>", "\u{2581}<SUF>", "\u{2581}<MID>"], ["<|prefix|>", "<|suffix|>", "<|middle|>"],
            ["<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"],
            [
                "<\u{FF5C}fim\u{2581}begin\u{FF5C}>", "<\u{FF5C}fim\u{2581}hole\u{FF5C}>",
                "<\u{FF5C}fim\u{2581}end\u{FF5C}>",
            ],
        ])
    func fillInMiddle(_ spellings: [String]) throws {
        let expected = FillInMiddleTokens(prefix: 264, suffix: 265, middle: 266)
        #expect(try byteLevel(spellings).fillInMiddle == expected)
        #expect(try byteLevel([spellings[2], "<x>", spellings[0], spellings[1]]).fillInMiddle?.prefix == 266)
    }

    @Test("Two of three, or three of two families, are none")
    func incomplete() throws {
        #expect(try TinyTokenizers.byteLevel().fillInMiddle == nil)
        #expect(try byteLevel(["<fim_prefix>", "<fim_suffix>"]).fillInMiddle == nil)
        #expect(try byteLevel(["<fim_prefix>", "<fim-suffix>", "<fim_middle>"]).fillInMiddle == nil)
        let second = try byteLevel(["<|fim_prefix|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"])
        #expect(second.fillInMiddle == FillInMiddleTokens(prefix: 265, suffix: 266, middle: 267))
    }

    @Test("A GGUF file names them by id, under its present keys or the older ones")
    func fillInMiddleKeys() throws {
        let present: [String: GGUFValue] = [
            "fim_pre_token_id": .integer(10), "fim_suf_token_id": .integer(11), "fim_mid_token_id": .integer(12),
        ]
        let older: [String: GGUFValue] = [
            "prefix_token_id": .integer(20), "suffix_token_id": .integer(21), "middle_token_id": .integer(22),
        ]
        let both = present.merging(older) { first, _ in first }
        let expected = FillInMiddleTokens(prefix: 10, suffix: 11, middle: 12)
        #expect(try sentencePiece(present).fillInMiddle == expected)
        #expect(try sentencePiece(both).fillInMiddle == expected)
        #expect(try sentencePiece(older).fillInMiddle == FillInMiddleTokens(prefix: 20, suffix: 21, middle: 22))
        #expect(try sentencePiece(["fim_pre_token_id": .integer(10)]).fillInMiddle == nil)
        #expect(throws: TokenizerError.self) { try sentencePiece(["fim_pre_token_id": .integer(100_000)]) }
    }

    @Test(
        "Published vocabularies", .enabled(if: SharedData.isAvailable, "needs ../shared/data"),
        arguments: [
            ("qwen2/tokenizer.json", FillInMiddleTokens(prefix: 151_659, suffix: 151_661, middle: 151_660)),
            ("gguf/ggml-vocab-starcoder.gguf", FillInMiddleTokens(prefix: 1, suffix: 3, middle: 2)),
            ("gguf/ggml-vocab-deepseek-coder.gguf", FillInMiddleTokens(prefix: 32_016, suffix: 32_015, middle: 32_017)),
            ("llama2/tokenizer.json", nil), ("gguf/ggml-vocab-qwen2.gguf", nil),
        ])
    func published(_ path: String, _ expected: FillInMiddleTokens?) throws {
        let url = SharedData.file("tokenizers/" + path)
        let source: TokenizerSource =
            path.hasSuffix("gguf")
            ? .gguf(try GGUFFile(path: url.path).metadata)
            : .files(TokenizerFiles(tokenizerJSON: try SharedData.bytes(url)))
        #expect(try Tokenizer(source).fillInMiddle == expected)
    }

    @Test("A token as its file spells it, whatever it stands for")
    func spelling() throws {
        let byteLevel = try TinyTokenizers.byteLevel()
        #expect(byteLevel.spelling(of: 260) == Array("\u{120}hello".utf8))
        #expect(byteLevel.spelling(of: 263) == Array("<s>".utf8))
        #expect(byteLevel.spelling(of: 264).isEmpty)
        #expect(byteLevel.spelling(of: -1).isEmpty)
        let pieces = try TinyTokenizers.sentencePiece()
        #expect(pieces.spelling(of: 263) == Array("\u{2581}ab".utf8))
        #expect(pieces.spelling(of: 13) == Array("<0x0A>".utf8))
        for id in 0..<TokenID(byteLevel.vocabularyCount) { #expect(byteLevel.id(of: byteLevel.spelling(of: id)) == id) }
    }

    @Test("End, padding and unknown are those that the files name")
    func named() throws {
        let plain = try TinyTokenizers.byteLevel()
        #expect(plain.endToken == nil && plain.paddingToken == nil && plain.unknownToken == nil)
        let configured = try byteLevel(
            ["<pad>", "<unk>"],
            "{\"eos_token\": \"<|end|>\", \"pad_token\": {\"content\": \"<pad>\"}, \"unk_token\": \"<unk>\"}")
        #expect(configured.endToken == 262)
        #expect(configured.paddingToken == 264)
        #expect(configured.unknownToken == 265)
        let gguf = try sentencePiece(["padding_token_id": .integer(0)])
        #expect(gguf.endToken == 2 && gguf.paddingToken == 0 && gguf.unknownToken == 0)
        #expect(try sentencePiece(["padding_token_id": .integer(4_294_967_295)]).paddingToken == nil)
        let ids = try JSONParser.parse(Array("{\"eos_token_id\": [261, 262]}".utf8), limits: .modelFile)
        let several = try Tokenizer(
            .files(TokenizerFiles(tokenizerJSON: TinyTokenizers.byteLevelJSON(), generationConfiguration: ids)))
        #expect(several.endToken == 261 && several.endOfSequence == [261, 262])
    }
}
