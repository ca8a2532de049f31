import Engine
import InferenceTypes

/// A request with nothing optional: what to generate, prompt by prompt, and how to say it.
struct CompletionParameters: Sendable {
    enum Delivery: Sendable, Equatable {
        case whole
        case stream(UsageReport)
    }

    /// When a stream tells how many tokens were used.
    enum UsageReport: Sendable, Equatable {
        case never
        case atEnd
        case onEveryChunk
    }

    enum TokenIDs: Sendable, Equatable {
        case hidden
        case shown
    }

    /// One for each prompt; its place is the choice's index.
    var generations: [GenerationRequest]
    var delivery: Delivery
    var tokenIDs: TokenIDs
}

extension CompletionParameters {
    /// - Throws: 400 when a prompt is empty, or it and `max_tokens` do not fit the context.
    init(_ request: CompletionRequest, model: ServedModel, random: () -> UInt64) throws(APIError) {
        let maxTokens = request.maxTokens ?? RequestLimits.maxTokensDefault
        generations = []
        for tokens in try Self.promptTokens(request.prompt, model: model) {
            guard tokens.count < model.contextCount, tokens.count + maxTokens <= model.contextCount else {
                throw .contextExceeded(
                    contextCount: model.contextCount, promptCount: tokens.count, maxTokens: maxTokens)
            }
            generations.append(
                GenerationRequest(
                    promptTokens: tokens, maxTokens: maxTokens,
                    sampling: Self.sampling(request, model: model, random: random), stopStrings: request.stop ?? []))
        }
        delivery = request.stream == true ? .stream(Self.usageReport(request.streamOptions)) : .whole
        tokenIDs = request.returnTokenIDs == true ? .shown : .hidden
    }

    private static func promptTokens(
        _ prompt: CompletionRequest.Prompt?, model: ServedModel
    ) throws(APIError) -> [[TokenID]] {
        let texts: [[UInt8]]
        switch prompt {
        case .tokens(let lists): return lists
        case .texts(let bytes): texts = bytes
        case nil: texts = [[]]
        }
        var lists: [[TokenID]] = []
        for (index, text) in texts.enumerated() {
            let tokens = model.tokenize(text)
            guard !tokens.isEmpty else {
                let place = texts.count == 1 ? "prompt" : "prompt[\(index)]"
                throw .invalid(
                    "'\(place)' must not be empty: this model has no token that starts a text.", parameter: "prompt")
            }
            lists.append(tokens)
        }
        return lists
    }

    /// A given seed counts for every prompt, so a prompt in a list answers as it does alone. Without one each prompt
    /// draws its own, below 2^53 so that every JSON reader can hand it back unchanged (RFC 8259 section 6).
    private static func sampling(
        _ request: CompletionRequest, model: ServedModel, random: () -> UInt64
    ) -> SamplingParameters {
        SamplingParameters(
            // The sum turns -0 into 0.
            temperature: Float(request.temperature ?? 1) + 0,
            topK: topK(request.topK, vocabularyCount: model.vocabularyCount),
            // A positive Double may round to 0 as a Float, which is out of the sampler's range.
            topP: max(Float(request.topP ?? 1), .leastNormalMagnitude),
            minP: Float(request.minP ?? 0),
            seed: request.seed.map { UInt64(bitPattern: $0) } ?? random() >> 11)
    }

    /// nil where nothing would be dropped: 0 and -1 say so, and so does the whole vocabulary.
    private static func topK(_ sent: Int64?, vocabularyCount: Int) -> Int? {
        guard let sent, sent > 0, sent < Int64(vocabularyCount) else { return nil }
        return Int(sent)
    }

    private static func usageReport(_ options: CompletionRequest.StreamOptions?) -> UsageReport {
        guard let options, options.includeUsage else { return .never }
        return options.continuousUsageStats ? .onEveryChunk : .atEnd
    }
}
