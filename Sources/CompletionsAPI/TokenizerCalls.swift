import InferenceTypes
import Tokenization

/// Text to tokens and back over HTTP, as vLLM's endpoints do it: what lm-evaluation-harness calls a remote tokeniser.
///
/// - Source: vLLM `entrypoints/serve/tokenize`; lm-evaluation-harness `RemoteTokenizer`.
struct TokenizerCalls {
    let model: ServedModel
    let unknownFields: ServiceConfiguration.UnknownFields

    private var tokenizer: Tokenizer { model.tokenizer }

    /// A finished answer and the fields of the request that were ignored.
    struct Answer {
        var body: [UInt8]
        var unknownFields: [[UInt8]]
    }

    /// `POST /tokenize`.
    ///
    /// - Throws: 400 or, for a model that is not served, 404.
    func tokenize(_ members: [JSONMember]) throws(APIError) -> Answer {
        var request = RequestMembers(members)
        try checkModel(request.take("model"))
        // A chat's form of the call, which needs a template.
        guard request.take("messages").isNull else { throw .unsupported("messages") }
        let text = try request.take("prompt").bytes()
        let addsSpecial = try request.take("add_special_tokens").bool(default: true)
        let showsSpellings = try request.take("return_token_strs").bool(default: false)
        let unknown = try request.rest(unknownFields)
        let tokens = tokenizer.encode(text, addSpecialTokens: addsSpecial ? .add : .omit)
        return Answer(body: encoded(tokens, showsSpellings: showsSpellings), unknownFields: unknown)
    }

    /// `POST /detokenize`. Special tokens show, as where Hugging Face's `decode` is called with its defaults.
    ///
    /// - Throws: 400 or, for a model that is not served, 404.
    func detokenize(_ members: [JSONMember]) throws(APIError) -> Answer {
        var request = RequestMembers(members)
        try checkModel(request.take("model"))
        // The model may know ids that the tokeniser has no text for.
        let count = max(tokenizer.vocabularyCount, model.vocabularyCount)
        let tokens = try request.take("tokens").tokens(vocabularyCount: count)
        let unknown = try request.rest(unknownFields)
        let text = tokenizer.decode(tokens, specialTokens: .keep)
        return Answer(body: JSONWriter.bytes(of: .members(["prompt": .string(text)])), unknownFields: unknown)
    }

    /// `GET /tokenizer_info`: what `tokenizer_config.json` would say, and the ids.
    var information: JSONValue {
        .members([
            "tokenizer_class": .text("NeedletailTokenizer"),
            "bos_token": spelling(tokenizer.beginOfSequence), "bos_token_id": id(tokenizer.beginOfSequence),
            "eos_token": spelling(tokenizer.endToken), "eos_token_id": id(tokenizer.endToken),
            "pad_token": spelling(tokenizer.paddingToken), "pad_token_id": id(tokenizer.paddingToken),
            "unk_token": spelling(tokenizer.unknownToken), "unk_token_id": id(tokenizer.unknownToken),
            "add_bos_token": .bool(tokenizer.addsBeginOfSequence),
            "clean_up_tokenization_spaces": .bool(false),
            "model_max_length": .count(model.contextCount),
            "vocab_size": .count(tokenizer.vocabularyCount),
            "chat_template": .null,
        ])
    }

    private func spelling(_ token: TokenID?) -> JSONValue { token.map { .string(tokenizer.spelling(of: $0)) } ?? .null }

    private func id(_ token: TokenID?) -> JSONValue { token.map { .integer(Int64($0)) } ?? .null }

    private func checkModel(_ value: RequestValue) throws(APIError) {
        guard !value.isNull else { return }
        let name = try value.bytes()
        guard model.isNamed(name) else { throw .modelNotFound(name) }
    }

    /// Written at once and not by way of a document, which would take 32 bytes for a token of one: a body may hold
    /// millions.
    private func encoded(_ tokens: [TokenID], showsSpellings: Bool) -> [UInt8] {
        var bytes = Array("{\"count\":\(tokens.count),\"max_model_len\":\(model.contextCount),\"tokens\":[".utf8)
        for (index, token) in tokens.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: String(token).utf8)
        }
        bytes.append(contentsOf: "],\"token_strs\":".utf8)
        if showsSpellings {
            for (index, token) in tokens.enumerated() {
                bytes.append(UInt8(ascii: index > 0 ? "," : "["))
                bytes.append(contentsOf: JSONWriter.bytes(of: .string(tokenizer.spelling(of: token))))
            }
            bytes.append(contentsOf: (tokens.isEmpty ? "[]" : "]").utf8)
        } else {
            bytes.append(contentsOf: "null".utf8)
        }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }
}

extension RequestValue {
    /// Null means the default.
    fileprivate func bool(default value: Bool) throws(APIError) -> Bool { isNull ? value : try bool() }
}
