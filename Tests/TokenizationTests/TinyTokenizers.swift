import Checkpoints
import InferenceTypes
import Tokenization

/// Tokenisers small enough to be read, for tests that need no files.
enum TinyTokenizers {
    /// Byte-level BPE over all 256 bytes with a few merges: "he", "ll", "hell", "hello", " hello", "\u{E9}".
    static func byteLevelJSON(_ changes: [(String, String)] = []) -> [UInt8] {
        var vocabulary: [String] = []
        for byte in UInt8.min...UInt8.max { vocabulary.append(spelling(byte)) }
        let merged = ["he", "ll", "hell", "hello", "\u{120}hello", "\u{C3}\u{A9}"]
        vocabulary += merged
        let members = vocabulary.enumerated().map { "\(quote($0.element)): \($0.offset)" }.joined(separator: ", ")
        var text = """
            {"added_tokens": [
                {"id": 262, "content": "<|end|>", "special": true, "normalized": false},
                {"id": 263, "content": "<s>", "special": true, "normalized": false}],
             "normalizer": null,
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
             "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [263], "tokens": ["<s>"]}}},
             "decoder": {"type": "ByteLevel"},
             "model": {"type": "BPE", "vocab": {\(members)},
                "merges": ["h e", "l l", "he ll", "hell o", "\u{120} hello", "\u{C3} \u{A9}"]}}
            """
        for (old, new) in changes { text = text.replacing(old, with: new) }
        return Array(text.utf8)
    }

    static func byteLevel() throws -> Tokenizer {
        try Tokenizer(.files(TokenizerFiles(tokenizerJSON: byteLevelJSON())))
    }

    /// GPT-2's stand-in for a byte, written out apart from the code under test.
    private static func spelling(_ byte: UInt8) -> String {
        let kept: [ClosedRange<UInt8>] = [0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF]
        if kept.contains(where: { $0.contains(byte) }) { return String(Unicode.Scalar(byte)) }
        let place = (UInt8.min..<byte).filter { other in !kept.contains { $0.contains(other) } }.count
        return Unicode.Scalar(UInt32(0x100 + place)).map(String.init) ?? ""
    }

    private static func quote(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    /// SentencePiece BPE as a GGUF file brings it: unknown, BOS, EOS, the byte tokens where asked for, then
    /// "▁", "a", "b", "ab", "▁ab", "▁a" with falling scores.
    static func sentencePieceKeys(hasByteTokens: Bool = true) -> [[UInt8]: GGUFValue] {
        var tokens = ["<unk>", "<s>", "</s>"]
        var kinds: [Int64] = [2, 3, 3]
        if hasByteTokens {
            let digits = Array("0123456789ABCDEF")
            for byte in 0..<256 {
                tokens.append("<0x\(digits[byte >> 4])\(digits[byte & 15])>")
                kinds.append(6)
            }
        }
        let pieces = ["\u{2581}", "a", "b", "ab", "\u{2581}ab", "\u{2581}a"]
        tokens += pieces
        kinds += pieces.map { _ in 1 }
        var scores = [Float](repeating: 0, count: tokens.count - pieces.count)
        scores += pieces.indices.map { -Float($0) }
        return [
            Array("tokenizer.ggml.model".utf8): .string(Array("llama".utf8)),
            Array("tokenizer.ggml.tokens".utf8): .strings(tokens.map { Array($0.utf8) }),
            Array("tokenizer.ggml.scores".utf8): .floats(scores),
            Array("tokenizer.ggml.token_type".utf8): .integers(kinds),
        ]
    }

    static func sentencePiece(hasByteTokens: Bool = true) throws -> Tokenizer {
        try Tokenizer(.gguf(GGUFMetadata(sentencePieceKeys(hasByteTokens: hasByteTokens))))
    }
}
