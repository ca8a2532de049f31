package import InferenceTypes

/// The language of simulations: twelve letters, the two bytes of an é, two tokens that no prompt of a healthy request
/// begins with, and an EOS.
package enum SimulationVocabulary {
    static let count = 16
    package static let endOfSequence: TokenID = 15
    /// Prompts are made of the first so many tokens.
    static let letterCount = 12
    /// After a prompt that begins with it, the model's scores are NaN.
    static let poison: TokenID = 14
    /// After a prompt that begins with it, the model's scores are those of no token.
    static let silence: TokenID = 13

    static let pieces: [[UInt8]] = (UInt8(ascii: "a")...UInt8(ascii: "l")).map { [$0] } + [[0xC3], [0xA9], [0x6D], []]

    /// The `tokenizer.json` of it: byte-level, as GPT-2.
    package static let tokenizerJSON: [UInt8] = {
        let names = "abcdefghijklÃ©m".unicodeScalars
        let vocabulary = names.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",")
        let json = """
            {"version":"1.0","added_tokens":[{"id":15,"content":"<|end|>","single_word":false,"lstrip":false,\
            "rstrip":false,"normalized":false,"special":true}],"normalizer":null,\
            "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},\
            "post_processor":null,"decoder":{"type":"ByteLevel"},\
            "model":{"type":"BPE","vocab":{\(vocabulary)},"merges":[]}}
            """
        return Array(json.utf8)
    }()

    /// Text of tokens, the plain way: all bytes, then repaired at once.
    static func text(_ tokens: some Sequence<TokenID>) -> [UInt8] {
        let bytes = tokens.flatMap { pieces[Int($0)] }
        return Array(String(decoding: bytes, as: UTF8.self).utf8)
    }
}
