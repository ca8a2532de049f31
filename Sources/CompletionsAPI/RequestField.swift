import InferenceTypes

/// One known field of the request: its name and what reading it means.
///
/// The tables here and the one in `LaterFields.swift` are the whole list of what the server knows.
struct RequestField: Sendable {
    typealias Reader = @Sendable (RequestValue, ServedModel, inout CompletionRequest) throws(APIError) -> Void

    let name: String
    let key: [UInt8]
    /// Called with null where the field is absent.
    let read: Reader

    init(_ name: String, _ read: @escaping Reader) {
        self.name = name
        self.key = Array(name.utf8)
        self.read = read
    }

    /// A field that the request keeps; null and absence leave it nil, which means the default.
    private static func kept<Value>(
        _ name: String, _ place: any WritableKeyPath<CompletionRequest, Value?> & Sendable,
        _ read: @escaping @Sendable (RequestValue, ServedModel) throws(APIError) -> Value
    ) -> RequestField {
        RequestField(name) { value, model, request throws(APIError) in
            if !value.isNull { request[keyPath: place] = try read(value, model) }
        }
    }

    /// In the order in which a bad request is blamed: OpenAI's schema, then the extensions.
    static let all: [RequestField] = openAI + extensions + later

    /// - Source: OpenAI `openapi.yaml`, `CreateCompletionRequest`; rules in api.md A.1.
    private static let openAI: [RequestField] = [
        RequestField("model") { value, model, _ throws(APIError) in
            guard !value.isNull else { return }
            let name = try value.bytes()
            if !model.isNamed(name) { throw .modelNotFound(name) }
        },
        // Called for null, too: a prompt is the one thing that must be there.
        RequestField("prompt") { value, model, request throws(APIError) in
            request.prompt = try value.prompt(vocabularyCount: model.vocabularyCount)
        },
        .later("best_of") { value, _ throws(APIError) in try value.integer(in: RequestLimits.bestOf) == 1 },
        .later("echo") { value, _ throws(APIError) in try !value.bool() },
        .later("frequency_penalty") { value, _ throws(APIError) in try value.number(in: RequestLimits.penalty) == 0 },
        .later("logit_bias") { value, model throws(APIError) in
            try value.hasNoBias(vocabularyCount: model.vocabularyCount)
        },
        .later("logprobs") { value, _ throws(APIError) in
            _ = try value.integer(in: RequestLimits.logprobs)
            return false
        },
        kept("max_tokens", \.maxTokens) { value, model throws(APIError) in
            try value.maxTokens(contextCount: model.contextCount)
        },
        .later("n") { value, _ throws(APIError) in try value.integer(in: RequestLimits.choiceCount) == 1 },
        .later("presence_penalty") { value, _ throws(APIError) in try value.number(in: RequestLimits.penalty) == 0 },
        kept("seed", \.seed) { value, _ throws(APIError) in try value.integer(in: .min ... .max) },
        kept("stop", \.stop) { value, _ throws(APIError) in try value.stopStrings() },
        kept("stream", \.stream) { value, _ throws(APIError) in try value.bool() },
        RequestField("stream_options") { value, _, request throws(APIError) in
            try value.readStreamOptions(into: &request)
        },
        .later("suffix") { value, _ throws(APIError) in try value.bytes().isEmpty },
        kept("temperature", \.temperature) { value, _ throws(APIError) in
            try value.number(in: RequestLimits.temperature)
        },
        kept("top_p", \.topP) { value, _ throws(APIError) in try value.positiveNumber(upTo: 1) },
        kept("user", \.user) { value, _ throws(APIError) in try value.bytes() },
    ]

    /// - Source: api.md A.2.
    private static let extensions: [RequestField] = [
        kept("top_k", \.topK) { value, _ throws(APIError) in try value.integer(in: -1 ... .max) },
        kept("min_p", \.minP) { value, _ throws(APIError) in try value.number(in: 0...1) },
        kept("return_token_ids", \.returnTokenIDs) { value, _ throws(APIError) in try value.bool() },
    ]
}

// MARK: - Fields with a form of their own

extension RequestValue {
    /// - Source: api.md A.1: a string, strings, ids, or lists of ids; never mixed, never empty.
    fileprivate func prompt(vocabularyCount: Int) throws(APIError) -> CompletionRequest.Prompt {
        if let text = value.asBytes { return .texts([text]) }
        guard value.asArray != nil else {
            throw failure("a string, a list of strings, token ids, or lists of token ids")
        }
        let items = try items()
        switch items.first?.value {
        case nil: throw failure("a string or a list that is not empty")
        case .string: return .texts(try items.eachPrompt { item throws(APIError) in try item.bytes() })
        case .array:
            return .tokens(
                try items.eachPrompt { item throws(APIError) in try item.tokens(vocabularyCount: vocabularyCount) })
        default: return .tokens([try tokens(vocabularyCount: vocabularyCount)])
        }
    }

    /// Null means false.
    private func flag() throws(APIError) -> Bool { isNull ? false : try bool() }

    private func tokens(vocabularyCount: Int) throws(APIError) -> [TokenID] {
        let items = try items()
        if items.isEmpty { throw failure("a list of token ids that is not empty") }
        var tokens: [TokenID] = []
        tokens.reserveCapacity(items.count)
        for item in items { tokens.append(try item.token(vocabularyCount: vocabularyCount)) }
        return tokens
    }

    fileprivate func maxTokens(contextCount: Int) throws(APIError) -> Int {
        let count = try integer(in: 0 ... .max)
        guard let count = Int(exactly: count), count <= contextCount else {
            var error = failure("at most \(contextCount), the model's maximum context length")
            error.code = .contextLengthExceeded
            throw error
        }
        return count
    }

    fileprivate func stopStrings() throws(APIError) -> [[UInt8]] {
        if value.asBytes != nil { return [try stopString()] }
        guard value.asArray != nil else { throw failure("a string or a list of strings") }
        let items = try items()
        guard items.count <= RequestLimits.stopCount else {
            throw .invalid(
                "'\(name)' must hold at most \(RequestLimits.stopCount) strings, got \(items.count).",
                parameter: parameter)
        }
        var strings: [[UInt8]] = []
        for item in items { strings.append(try item.stopString()) }
        return strings
    }

    private func stopString() throws(APIError) -> [UInt8] {
        let text = try bytes()
        guard (1...RequestLimits.stopByteCount).contains(text.count) else {
            throw .invalid(
                "'\(name)' must have 1 to \(RequestLimits.stopByteCount) bytes, got \(text.count).",
                parameter: parameter)
        }
        return text
    }

    /// - Source: OpenAI; `continuous_usage_stats` is vLLM's. `include_obfuscation` has no effect: nothing is obfuscated.
    fileprivate func readStreamOptions(into request: inout CompletionRequest) throws(APIError) {
        guard !isNull else { return }
        var options = CompletionRequest.StreamOptions()
        for (key, member) in try members() {
            if key.elementsEqual("include_usage".utf8) {
                options.includeUsage = try member.flag()
            } else if key.elementsEqual("continuous_usage_stats".utf8) {
                options.continuousUsageStats = try member.flag()
            } else if key.elementsEqual("include_obfuscation".utf8) {
                _ = try member.flag()
            } else {
                request.unknownFields.append(Array("\(name).".utf8) + key)
            }
        }
        guard request.stream == true else {
            throw .invalid("Stream options can only be defined when `stream=True`.", parameter: parameter)
        }
        request.streamOptions = options
    }
}

extension Collection<RequestValue> {
    /// Reads each of several prompts after their number was checked.
    fileprivate func eachPrompt<Prompt>(
        _ read: (RequestValue) throws(APIError) -> Prompt
    ) throws(APIError) -> [Prompt] {
        guard count <= RequestLimits.promptCount else {
            throw .invalid(
                "'prompt' must hold at most \(RequestLimits.promptCount) prompts, got \(count).", parameter: "prompt")
        }
        var prompts: [Prompt] = []
        for item in self { prompts.append(try read(item)) }
        return prompts
    }
}
