import Checkpoints
import InferenceTypes

/// Picks the reader for what a checkpoint brings.
enum TokenizerReader {
    static func parts(_ source: TokenizerSource) throws(TokenizerError) -> TokenizerParts {
        switch source {
        case .gguf(let metadata): return try GGUFVocabulary.parts(metadata)
        case .files(let files):
            if let json = files.tokenizerJSON { return try TokenizerJSON.parts(json, files) }
            if let model = files.sentencePieceModel { return try SentencePieceModel.parts(model, files) }
            throw TokenizerError("no tokeniser: expected tokenizer.json or tokenizer.model beside the weights")
        }
    }
}

/// BOS and EOS as a directory's configuration files name them.
struct SequenceMarks {
    var beginOfSequence: TokenID?
    var endOfSequence: Set<TokenID> = []
    var named = NamedTokens()

    /// - Parameter id: the id of a token by its spelling.
    /// - Parameter count: ids of the tokeniser; the model may have more, which it fills up with.
    init(_ files: TokenizerFiles, count: Int, id: ([UInt8]) -> TokenID?) throws(TokenizerError) {
        let modelCount = files.modelConfiguration?["vocab_size"]?.asInteger.map { Int(clamping: $0) } ?? 0
        let limit = max(count, min(modelCount, TokenizerLimits.tokenID + 1))
        let sources = [
            ("generation_config.json", files.generationConfiguration), ("config.json", files.modelConfiguration),
        ]
        beginOfSequence = Self.spelling("bos_token", files).flatMap(id)
        for (file, value) in sources where beginOfSequence == nil {
            beginOfSequence = try Self.ids("bos_token_id", value, file, limit).first
        }
        for (file, value) in sources where endOfSequence.isEmpty {
            let ids = try Self.ids("eos_token_id", value, file, limit)
            endOfSequence = Set(ids)
            named.end = ids.first
        }
        if let end = Self.spelling("eos_token", files).flatMap(id) {
            endOfSequence.insert(end)
            named.end = end
        }
        named.padding = Self.spelling("pad_token", files).flatMap(id)
        named.unknown = Self.spelling("unk_token", files).flatMap(id)
    }

    /// `"bos_token": "<s>"` or `"bos_token": {"content": "<s>", …}` of `tokenizer_config.json`.
    private static func spelling(_ key: StaticString, _ files: TokenizerFiles) -> [UInt8]? {
        let value = files.configuration?[key]
        return value?.asBytes ?? value?["content"]?.asBytes
    }

    private static func ids(
        _ key: StaticString, _ configuration: JSONValue?, _ file: String, _ limit: Int
    ) throws(TokenizerError) -> [TokenID] {
        guard let value = configuration?[key], !value.isNull else { return [] }
        var ids: [TokenID] = []
        for item in value.asArray ?? [value] {
            guard let id = item.asInteger, 0 <= id, id < limit else {
                throw TokenizerError("\(file): \(key): expected ids in 0..<\(limit)")
            }
            ids.append(TokenID(id))
        }
        return ids
    }
}
