import Checkpoints
import InferenceTypes
import Tokenization

/// A byte-level vocabulary: each byte, a few longer pieces, some of which begin or end inside a scalar, and an EOS.
enum TestTokenizer {
    static let pieces: [[UInt8]] =
        (0...255).map { [UInt8($0)] } + ["sto", "op", " st", "é!", "日本", "the "].map { Array($0.utf8) }
        + [[0x70, 0xE6], [0x97, 0xA5, 0x73], [0x20, 0xC3], [0xA9, 0x73, 0x74]]
    static let endOfSequence = TokenID(pieces.count)
    static let vocabularyCount = pieces.count + 1

    static func make() throws -> Tokenizer { try made.get() }

    private static let made = Result { try build() }

    private static func build() throws -> Tokenizer {
        let vocabulary = pieces.enumerated().map { "\"\(spelling($1))\":\($0)" }.joined(separator: ",")
        let json = """
            {"version":"1.0","added_tokens":[{"id":\(endOfSequence),"content":"<|end|>","single_word":false,\
            "lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,\
            "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},\
            "post_processor":null,"decoder":{"type":"ByteLevel"},\
            "model":{"type":"BPE","vocab":{\(vocabulary)},"merges":[]}}
            """
        let files = TokenizerFiles(
            tokenizerJSON: Array(json.utf8),
            generationConfiguration: .object([
                JSONMember(key: Array("eos_token_id".utf8), value: .array([.integer(Int64(endOfSequence))]))
            ]))
        return try Tokenizer(.files(files))
    }

    /// Text of a whole answer, the plain way: all bytes, then repaired at once.
    static func text(_ tokens: [TokenID]) -> [UInt8] {
        let bytes = tokens.filter { $0 != endOfSequence }.flatMap { pieces[Int($0)] }
        return Array(String(decoding: bytes, as: UTF8.self).utf8)
    }

    /// The byte-level alphabet of GPT-2, escaped for JSON.
    private static func spelling(_ piece: [UInt8]) -> String {
        let printable = Array(33...126) + Array(161...172) + Array(174...255) as [UInt8]
        let others = (0...255 as ClosedRange<UInt8>).filter { !printable.contains($0) }
        return piece.reduce(into: "") { text, byte in
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { text.append("\\") }
            let code = others.firstIndex(of: byte).map { 256 + UInt32($0) } ?? UInt32(byte)
            text.unicodeScalars.append(Unicode.Scalar(code) ?? " ")
        }
    }
}
