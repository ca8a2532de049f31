import Engine
import InferenceTypes

/// Fields that say when a call is served beside others, and with whom it shares computed prefixes. None of them changes
/// the answer.
///
/// - Source: api.md A.2: `priority` and `cache_salt` are vLLM's, `cache_prompt` is llama.cpp's.
extension RequestField {
    static let scheduling: [RequestField] = [
        kept("priority", \.priority) { value, _ throws(APIError) in try value.integer(in: .min ... .max) },
        kept("cache_salt", \.cacheSalt) { value, _ throws(APIError) in
            try value.boundedText(RequestLimits.cacheSaltByteCount)
        },
        flag("cache_prompt", \.cachePrompt),
    ]
}

extension Scheduling {
    /// - Throws: 400 where two fields say different things.
    init(_ sent: CompletionRequest) throws(APIError) {
        guard sent.cacheSalt == nil || sent.cachePrompt != false else {
            throw .invalid(
                "'cache_salt' must be left out beside cache_prompt false: nothing is shared then.",
                parameter: "cache_salt")
        }
        self.init(
            priority: Int(clamping: sent.priority ?? 0),
            // An empty name is none.
            account: sent.user.flatMap { $0.isEmpty ? nil : $0 },
            prefixCaching: sent.cachePrompt == false ? .isolated : .shared(salt: sent.cacheSalt ?? []))
    }
}
