import Engine
import InferenceTypes

/// The members that the whole answer and every chunk of a stream share.
struct CompletionDocument: Sendable {
    var id: String
    var created: Int64
    var model: String
    var fingerprint: String

    /// - Source: api.md B.1 and B.3; a chunk is the same object as the whole answer.
    func encoded(choices: [JSONValue], usage: JSONValue?) -> [UInt8] {
        var members: [JSONMember] = []
        func add(_ key: String, _ value: JSONValue) { members.append(JSONMember(key: Array(key.utf8), value: value)) }
        add("id", .text(id))
        add("object", .text("text_completion"))
        add("created", .integer(created))
        add("model", .text(model))
        add("system_fingerprint", .text(fingerprint))
        add("choices", .array(choices))
        if let usage { add("usage", usage) }
        return JSONWriter.bytes(of: .object(members))
    }
}

/// Tokens counted for one request: each prompt once, and everything that was generated, EOS included.
struct Usage: Sendable, Equatable {
    var promptCount: Int
    var completionCount = 0

    var document: JSONValue {
        .members([
            "prompt_tokens": .count(promptCount), "completion_tokens": .count(completionCount),
            "total_tokens": .count(promptCount + completionCount),
            // No prefix is cached yet.
            "prompt_tokens_details": .members(["cached_tokens": .count(0)]),
        ])
    }
}

/// What one choice, or one chunk of it, says.
struct ChoicePart: Sendable {
    var index: Int
    var text: [UInt8] = []
    var reason: FinishReason?
    /// Ids of this part; nil where the client did not ask for them.
    var tokens: [TokenID]?
    /// What only the first part of a choice says.
    var opening: Opening?

    struct Opening: Sendable {
        /// The seed in use, as the client would send it to get the same text again.
        var seed: Int64
        /// nil where the client did not ask for ids.
        var promptTokens: [TokenID]?

        init(_ request: GenerationRequest, tokenIDs: CompletionParameters.TokenIDs) {
            seed = Int64(bitPattern: request.sampling.seed)
            promptTokens = tokenIDs == .shown ? request.promptTokens : nil
        }
    }

    /// - Source: api.md B.1; `token_ids` and `prompt_token_ids` are vLLM's; `seed` is ours.
    var document: JSONValue {
        var members: [JSONMember] = []
        func add(_ key: String, _ value: JSONValue) { members.append(JSONMember(key: Array(key.utf8), value: value)) }
        add("index", .count(index))
        add("text", .string(text))
        add("logprobs", .null)
        add("finish_reason", Self.finishReason(reason))
        add("stop_reason", Self.stopReason(reason))
        if let opening { add("seed", .integer(opening.seed)) }
        if let prompt = opening?.promptTokens { add("prompt_token_ids", Self.ids(prompt)) }
        if let tokens { add("token_ids", Self.ids(tokens)) }
        return .object(members)
    }

    private static func ids(_ tokens: [TokenID]) -> JSONValue { .array(tokens.map { .integer(Int64($0)) }) }

    private static func finishReason(_ reason: FinishReason?) -> JSONValue {
        switch reason {
        case .endOfSequence, .stopString: .text("stop")
        case .length: .text("length")
        // The last two end in an error instead.
        case nil, .cancelled, .failed: .null
        }
    }

    private static func stopReason(_ reason: FinishReason?) -> JSONValue {
        if case .stopString(let text) = reason { .string(text) } else { .null }
    }
}

extension FinishReason {
    /// What the client hears when a choice ended without being answered, nil when it was.
    var error: APIError? {
        switch self {
        case .endOfSequence, .stopString, .length: nil
        case .cancelled: .internalError("The server cancelled the request.")
        case .failed(let message): .internalError(message)
        }
    }
}

extension APIError {
    /// An engine stream that ends before its choice did: our bug, and still an answer.
    static let endedEarly = internalError("The generation ended too early.")
}
