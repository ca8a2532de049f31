import InferenceTypes

/// Fields about where a completion begins and ends, and what is told of it.
///
/// - Source: api.md A.2.
extension RequestField {
    static let stopping: [RequestField] = [
        count("min_tokens", \.minTokens, in: RequestLimits.tokenCount),
        flag("ignore_eos", \.ignoreEndOfSequence),
        tokens("stop_token_ids", \.stopTokens, atMost: RequestLimits.stopTokenCount),
        flag("include_stop_str_in_output", \.includeStop),
        positive("max_time", \.maxTime, upTo: RequestLimits.maxTime),
    ]

    static let prompt: [RequestField] = [
        flag("add_special_tokens", \.addSpecialTokens),
        kept("truncate_prompt_tokens", \.truncatePromptTokens) { value, _ throws(APIError) in
            let count = try value.count(in: -1 ... .max)
            guard count != 0 else { throw value.failure("-1 or an integer of at least 1") }
            return count
        },
        kept("truncation_side", \.truncationSide) { value, _ throws(APIError) in try value.truncationSide() },
    ]

    static let output: [RequestField] = [
        flag("skip_special_tokens", \.skipSpecialTokens),
        kept("prompt_logprobs", \.promptLogprobs) { value, model throws(APIError) in
            try value.count(in: 0...model.maxLogprobs)
        },
        flag("return_token_ids", \.returnTokenIDs),
        flag("return_tokens_as_token_ids", \.returnTokensAsTokenIDs),
        kept("request_id", \.requestID) { value, _ throws(APIError) in
            let id = try value.bytes()
            guard Identifiers.isHarmless(id) else {
                throw value.failure(
                    "1 to \(Identifiers.requestByteLimit) letters, digits or characters of -_.:/+=")
            }
            return id
        },
    ]
}

extension RequestValue {
    fileprivate func truncationSide() throws(APIError) -> CompletionRequest.TruncationSide {
        if value == .text("left") { return .left }
        if value == .text("right") { return .right }
        throw failure("\"left\" or \"right\"")
    }
}
