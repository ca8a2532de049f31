import InferenceTypes
import Tokenization

extension RequestField {
    /// - Source: OpenAI `openapi.yaml`, `CreateCompletionRequest`; rules in api.md A.1.
    static let openAI: [RequestField] = [
        RequestField("model") { value, model, _ throws(APIError) in
            guard !value.isNull else { return }
            let name = try value.bytes()
            if !model.isNamed(name) { throw .modelNotFound(name) }
        },
        // Called for null, too: a prompt is the one thing that must be there.
        RequestField("prompt") { value, model, request throws(APIError) in
            request.prompt = try value.prompt(vocabularyCount: model.vocabularyCount)
        },
        count("best_of", \.bestOf, in: RequestLimits.bestOf),
        flag("echo", \.echo),
        number("frequency_penalty", \.frequencyPenalty, in: RequestLimits.penalty),
        kept("logit_bias", \.logitBias) { value, model throws(APIError) in
            try value.bias(vocabularyCount: model.vocabularyCount)
        },
        kept("logprobs", \.logprobs) { value, model throws(APIError) in try value.count(in: 0...model.maxLogprobs) },
        kept("max_tokens", \.maxTokens) { value, model throws(APIError) in
            try value.maxTokens(contextCount: model.contextCount)
        },
        count("n", \.count, in: RequestLimits.choiceCount),
        number("presence_penalty", \.presencePenalty, in: RequestLimits.penalty),
        kept("seed", \.seed) { value, _ throws(APIError) in try value.integer(in: .min ... .max) },
        kept("stop", \.stop) { value, _ throws(APIError) in try value.stopStrings() },
        flag("stream", \.stream),
        RequestField("stream_options") { value, _, request throws(APIError) in
            try value.readStreamOptions(into: &request)
        },
        kept("suffix", \.suffix) { value, model throws(APIError) in try value.suffix(for: model) },
        number("temperature", \.temperature, in: RequestLimits.temperature),
        positive("top_p", \.topP, upTo: 1),
        kept("user", \.user) { value, _ throws(APIError) in try value.user() },
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
                try items.eachPrompt { item throws(APIError) in try item.someTokens(vocabularyCount: vocabularyCount) })
        default: return .tokens([try someTokens(vocabularyCount: vocabularyCount)])
        }
    }

    fileprivate func maxTokens(contextCount: Int) throws(APIError) -> Int {
        let count = try count(in: 0 ... .max)
        guard count <= contextCount else {
            var error = failure("at most \(contextCount), the model's maximum context length")
            error.code = .contextLengthExceeded
            throw error
        }
        return count
    }

    /// Ids and what is added to their scores, by rising id; those that change nothing are left out.
    ///
    /// - Source: OpenAI: a map from id to -100…100.
    fileprivate func bias(vocabularyCount: Int) throws(APIError) -> [LogitsProcessing.Bias] {
        let entries = try members()
        guard entries.count <= RequestLimits.biasCount else {
            throw .invalid(
                "'\(name)' must have at most \(RequestLimits.biasCount) entries, got \(entries.count).",
                parameter: parameter)
        }
        var biases: [LogitsProcessing.Bias] = []
        for (key, entry) in entries {
            guard let id = Self.decimal(key), id < vocabularyCount else {
                throw .invalid(
                    "The keys of '\(name)' must be token ids from 0 to \(vocabularyCount - 1), got '\(excerpt(key))'.",
                    parameter: parameter)
            }
            let bias = Float(try entry.number(in: RequestLimits.bias))
            if bias != 0 { biases.append(LogitsProcessing.Bias(token: TokenID(id), value: bias)) }
        }
        return biases.sorted { $0.token < $1.token }
    }

    /// Digits alone, without sign, space or leading zero, below 2^31; the standard library reads `+5` as 5.
    private static func decimal(_ bytes: [UInt8]) -> Int? {
        guard (1...10).contains(bytes.count), bytes.first != UInt8(ascii: "0") || bytes.count == 1 else { return nil }
        var value = 0
        for byte in bytes {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value <= Int(Int32.max) ? value : nil
    }

    fileprivate func stopStrings() throws(APIError) -> [[UInt8]] {
        if value.asBytes != nil { return [try boundedText(RequestLimits.stopByteCount)] }
        guard value.asArray != nil else { throw failure("a string or a list of strings") }
        return try texts(atMost: RequestLimits.stopCount, byteLimit: RequestLimits.stopByteCount)
    }

    /// May be empty, which says nothing.
    fileprivate func user() throws(APIError) -> [UInt8] {
        let name = try bytes()
        return name.isEmpty ? name : try boundedText(RequestLimits.userByteCount)
    }

    /// Empty is off, as it is for OpenAI.
    fileprivate func suffix(for model: ServedModel) throws(APIError) -> [UInt8] {
        let text = try bytes()
        guard text.isEmpty || model.tokenizer.fillInMiddle != nil else {
            throw .invalid(
                "'\(name)' must be left out: this model has no tokens for filling in the middle.", parameter: parameter)
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

    /// Null means false.
    private func flag() throws(APIError) -> Bool { isNull ? false : try bool() }
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
