package import Checkpoints
import InferenceTypes

/// A tokeniser of a Hugging Face directory as the `tokenizer.ggml.*` keys of a GGUF file: the inverse of `GGUFVocabulary`.
///
/// - Source: GGUF specification, section "Tokenizer"; llama.cpp `llama_vocab::impl::load` for what a reader makes of them.
package struct GGUFVocabularyWriter {
    package private(set) var entries: [GGUFEntry] = []
    /// What the keys cannot say of this tokeniser, for people.
    package private(set) var notes: [String] = []

    /// - Parameter count: rows of the model's embedding: readers want a token for each.
    /// - Throws: when the files are damaged, or when the keys cannot say what they do.
    package init(_ files: TokenizerFiles, count: Int) throws(TokenizerError) {
        let parts = try TokenizerReader.parts(.files(files))
        guard parts.decoder.kinds.count <= count else {
            throw TokenizerError("the tokeniser has \(parts.decoder.kinds.count) tokens, the embedding \(count) rows")
        }
        let table: GGUFTokenTable
        if let json = files.tokenizerJSON {
            table = try GGUFTokenTable(json: json, files, parts)
        } else {
            table = try GGUFTokenTable(model: files.sentencePieceModel ?? [], parts)
        }
        notes = table.notes
        add(table.padded(to: count))
        try add(parts)
        noteLosses(parts)
        if let template = Self.chatTemplate(files) { set("tokenizer.chat_template", .string(template)) }
    }

    private mutating func set(_ key: String, _ value: GGUFTypedValue) { entries.append(GGUFEntry(key, value)) }

    private mutating func add(_ table: GGUFTokenTable) {
        set("tokenizer.ggml.model", .string(Array(table.model.utf8)))
        set("tokenizer.ggml.pre", .string(Array(table.pre.utf8)))
        set("tokenizer.ggml.tokens", .strings(table.tokens))
        if !table.scores.isEmpty { set("tokenizer.ggml.scores", .floats(table.scores)) }
        set("tokenizer.ggml.token_type", .int32s(table.kinds.map { Int32($0.rawValue) }))
        if table.model == "gpt2" { set("tokenizer.ggml.merges", .strings(table.merges)) }
        if let addsSpace = table.addsSpacePrefix { set("tokenizer.ggml.add_space_prefix", .bool(addsSpace)) }
        if let removes = table.removesExtraSpaces { set("tokenizer.ggml.remove_extra_whitespaces", .bool(removes)) }
        if !table.characterMap.isEmpty { set("tokenizer.ggml.precompiled_charsmap", .uint8s(table.characterMap)) }
    }

    // MARK: - Special tokens

    private mutating func add(_ parts: TokenizerParts) throws(TokenizerError) {
        guard parts.prefix.count <= 1, parts.suffix.count <= 1 else {
            throw TokenizerError(
                "a GGUF file can say one token before a text and one behind it, the tokeniser has"
                    + " \(parts.prefix.count) and \(parts.suffix.count)")
        }
        let begin = parts.prefix.first ?? parts.beginOfSequence
        let end = parts.suffix.first ?? parts.named.end
        setID("bos_token_id", begin)
        setID("eos_token_id", end)
        setID("unknown_token_id", parts.named.unknown)
        setID("padding_token_id", parts.named.padding)
        addEnds(parts, end)
        set("tokenizer.ggml.add_bos_token", .bool(!parts.prefix.isEmpty))
        set("tokenizer.ggml.add_eos_token", .bool(!parts.suffix.isEmpty))
    }

    private mutating func setID(_ name: String, _ id: TokenID?) {
        guard let id, id >= 0 else { return }
        set("tokenizer.ggml.\(name)", .uint32(UInt32(id)))
    }

    /// Readers know most ends of a text by their spelling; two more can be named.
    private mutating func addEnds(_ parts: TokenizerParts, _ end: TokenID?) {
        let others = parts.endOfSequence.filter { id in
            id != end && !GGUFTokenNames.endsText(Array(parts.pieces[id]))
        }.sorted()
        for (name, id) in zip(["eot_token_id", "eom_token_id"], others) { setID(name, id) }
        if others.count > 2 { notes.append("\(others.count - 2) tokens that end a text cannot be named") }
    }

    private mutating func noteLosses(_ parts: TokenizerParts) {
        let odd = parts.added.count { $0.stripsLeft || $0.stripsRight || $0.isSingleWord }
        if odd > 0 {
            notes.append(
                "lstrip, rstrip and single_word of \(odd) added tokens are lost: a GGUF file has no word for them")
        }
        let isNormalized = parts.normalizer.steps.contains { step in
            switch step {
            case .canonicalComposition, .canonicalDecomposition, .compatibilityComposition, .compatibilityDecomposition,
                .lowercase:
                true
            default: false
            }
        }
        if isNormalized {
            notes.append("the tokeniser's Unicode normalisation is lost: a GGUF file has no word for it")
        }
    }

    /// `chat_template.jinja` wins over `tokenizer_config.json`; of several named ones the default.
    private static func chatTemplate(_ files: TokenizerFiles) -> [UInt8]? {
        if let template = files.chatTemplate { return template }
        let value = files.configuration?["chat_template"]
        if let template = value?.asBytes { return template }
        return value?.asArray?.first { $0["name"]?.asBytes?.elementsEqual("default".utf8) == true }?["template"]?
            .asBytes
    }
}
