import Engine
import InferenceTypes
import Tokenization

/// How a call wants its choices told.
struct AnswerFormat: Sendable {
    let tokenNames: TokenNames
    /// Entries beside each token in `logprobs`; nil for null.
    let logprobCount: Int?
    /// Entries beside each token in `prompt_logprobs`; nil to leave it out.
    let promptLogprobCount: Int?
    let showsTokenIDs: Bool

    init(_ sent: CompletionRequest, model: ServedModel) {
        tokenNames = TokenNames(
            tokenizer: model.tokenizer, spelling: sent.returnTokensAsTokenIDs == true ? .ids : .text)
        logprobCount = sent.logprobs
        promptLogprobCount = sent.promptLogprobs
        showsTokenIDs = sent.returnTokenIDs == true
    }

    /// A choice, or one chunk of it.
    ///
    /// - Parameter prompt: the one that it continues.
    /// - Source: api.md B.1; `token_ids`, `prompt_token_ids` and `prompt_logprobs` are vLLM's; `seed` and `beam_score` are
    ///   ours.
    func document(_ part: ChoicePart, of prompt: CompletionCall.Prompt) -> JSONValue {
        var members = JSONMembers()
        members.add("index", .count(part.index))
        members.add("text", .string(part.shownText))
        members.add("logprobs", logprobs(part, of: prompt))
        members.add("finish_reason", part.ending?.reason.word ?? .null)
        members.add("stop_reason", part.ending?.reason.detail ?? .null)
        if let score = part.ending?.beamScore { members.add("beam_score", .logprob(score)) }
        if let opening = part.opening { members.add("seed", .integer(opening.seed)) }
        if showsTokenIDs {
            if part.opening != nil { members.add("prompt_token_ids", .ids(prompt.tokens)) }
            members.add("token_ids", .ids(part.tokens.map(\.id)))
        }
        if let promptLogprobCount, let opening = part.opening {
            let logprobs = opening.promptLogprobs ?? []
            members.add(
                "prompt_logprobs", PromptLogprobs.document(logprobs, count: promptLogprobCount, tokenNames))
        }
        return members.document
    }

    private func logprobs(_ part: ChoicePart, of prompt: CompletionCall.Prompt) -> JSONValue {
        guard let logprobCount else { return .null }
        var arrays = LogprobsArrays(tokenNames, count: logprobCount)
        if let opening = part.opening, let echo = prompt.echo {
            for (place, token) in prompt.tokens.enumerated() {
                let known = opening.promptLogprobs ?? []
                let logprobs = place > 0 && place <= known.count ? known[place - 1] : nil
                arrays.append(token, logprobs, offset: echo.offsets[place])
            }
        }
        let start = prompt.echo?.scalarCount ?? 0
        for token in part.tokens { arrays.append(token.id, token.logprobs, offset: start + token.textOffset) }
        return arrays.document
    }
}

extension FinishReason {
    /// - Source: api.md B.1: OpenAI's words.
    fileprivate var word: JSONValue {
        switch self {
        case .endOfSequence, .stopToken, .stopString, .exhausted, .cancelled: .text("stop")
        case .length, .maxTime: .text("length")
        // Ends in an error instead.
        case .failed, .queueTimeout: .null
        }
    }

    /// `stop_reason`: vLLM's for stop strings and tokens, ours for the rest.
    fileprivate var detail: JSONValue {
        switch self {
        case .endOfSequence, .length, .failed, .queueTimeout: .null
        case .stopString(let text): .string(text)
        case .stopToken(let id): .integer(Int64(id))
        case .maxTime: .text("max_time")
        case .exhausted: .text("no_token_left")
        case .cancelled: .text("cancelled")
        }
    }
}
