package import InferenceTypes

/// What a checkpoint brings for making a tokeniser; `Tokenization` reads it.
package enum TokenizerSource: Sendable {
    /// The `tokenizer.ggml.*` keys of a GGUF file.
    case gguf(GGUFMetadata)
    /// Files of a Hugging Face directory.
    case files(TokenizerFiles)
}

/// The tokeniser's files of a Hugging Face directory, each as it lies there, nil when absent.
package struct TokenizerFiles: Sendable {
    /// `tokenizer.json`. It wins over `tokenizer.model` when both are there, as in transformers.
    package var tokenizerJSON: [UInt8]?
    /// `tokenizer.model`: a SentencePiece protocol buffer.
    package var sentencePieceModel: [UInt8]?
    /// `tokenizer_config.json`.
    package var configuration: JSONValue?
    /// `generation_config.json`, for the EOS ids.
    package var generationConfiguration: JSONValue?
    /// `config.json`, for the EOS and BOS ids where the others are silent.
    package var modelConfiguration: JSONValue?
    /// `chat_template.jinja`.
    package var chatTemplate: [UInt8]?

    package init(
        tokenizerJSON: [UInt8]? = nil, sentencePieceModel: [UInt8]? = nil, configuration: JSONValue? = nil,
        generationConfiguration: JSONValue? = nil, modelConfiguration: JSONValue? = nil,
        chatTemplate: [UInt8]? = nil
    ) {
        self.tokenizerJSON = tokenizerJSON
        self.sentencePieceModel = sentencePieceModel
        self.configuration = configuration
        self.generationConfiguration = generationConfiguration
        self.modelConfiguration = modelConfiguration
        self.chatTemplate = chatTemplate
    }
}
