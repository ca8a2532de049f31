import Checkpoints
import InferenceTypes
import Tokenization

/// A byte-level vocabulary: each byte, a few longer pieces, some of which begin or end inside a scalar, then tokens that
/// steer. Text becomes one token for each byte.
enum TestTokenizer {
    static let pieces: [[UInt8]] =
        (0...255).map { [UInt8($0)] } + ["sto", "op", " st", "é!", "日本", "the "].map { Array($0.utf8) }
        + [[0x70, 0xE6], [0x97, 0xA5, 0x73], [0x20, 0xC3], [0xA9, 0x73, 0x74]]

    static let end: TokenID = 266
    static let start: TokenID = 267
    static let prefix: TokenID = 268
    static let suffix: TokenID = 269
    static let middle: TokenID = 270
    static let vocabularyCount = 271

    /// No token starts a text, and none fills in the middle.
    static let plain = make(fill: "x", starts: false)
    /// With both.
    static let full = make(fill: "fim", starts: true)
    /// As `plain`, but ligatures come apart.
    static let normalizing = make(fill: "x", starts: false, normalizer: #"{"type":"NFKC"}"#)

    private static func make(fill: String, starts: Bool, normalizer: String = "null") -> Tokenizer {
        let added = ["<|end|>", "<|start|>", "<|\(fill)_prefix|>", "<|\(fill)_suffix|>", "<|\(fill)_middle|>"]
        let tokens = added.enumerated().map { place, content in
            #"{"id":\#(pieces.count + place),"content":"\#(content)","special":true,"normalized":false}"#
        }
        let template = #"""
            {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|start|>","type_id":0}},
            {"Sequence":{"id":"A","type_id":0}}],
            "special_tokens":{"<|start|>":{"id":"<|start|>","ids":[267],"tokens":["<|start|>"]}}}
            """#
        let vocabulary = pieces.enumerated().map { "\"\(spelling($1))\":\($0)" }.joined(separator: ",")
        let json = """
            {"version":"1.0","added_tokens":[\(tokens.joined(separator: ","))],"normalizer":\(normalizer),
            "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
            "post_processor":\(starts ? template : "null"),"decoder":{"type":"ByteLevel"},
            "model":{"type":"BPE","vocab":{\(vocabulary)},"merges":[]}}
            """
        let ends = JSONMember(key: Array("eos_token_id".utf8), value: .array([.integer(Int64(end))]))
        let files = TokenizerFiles(tokenizerJSON: Array(json.utf8), generationConfiguration: .object([ends]))
        guard let tokenizer = try? Tokenizer(.files(files)) else { preconditionFailure("the test's own tokeniser") }
        return tokenizer
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
