import InferenceTypes

/// The members that the whole answer and every chunk of a stream share.
struct CompletionDocument: Sendable {
    var id: String
    var created: Int64
    var model: String
    var fingerprint: String

    /// - Source: api.md B.1 and B.3; a chunk is the same object as the whole answer.
    func encoded(choices: [JSONValue], usage: JSONValue?) -> [UInt8] {
        var members = JSONMembers()
        members.add("id", .text(id))
        members.add("object", .text("text_completion"))
        members.add("created", .integer(created))
        members.add("model", .text(model))
        members.add("system_fingerprint", .text(fingerprint))
        members.add("choices", .array(choices))
        if let usage { members.add("usage", usage) }
        return JSONWriter.bytes(of: members.document)
    }
}

extension Usage {
    /// `generated_tokens` is ours: where it differs from `completion_tokens`, what the difference cost.
    var document: JSONValue {
        .members([
            "prompt_tokens": .count(promptCount), "completion_tokens": .count(completionCount),
            "total_tokens": .count(promptCount + completionCount),
            "prompt_tokens_details": .members(["cached_tokens": .count(cachedCount)]),
            "completion_tokens_details": .members(["generated_tokens": .count(generatedCount)]),
        ])
    }
}
