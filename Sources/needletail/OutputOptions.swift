import ArgumentParser
import InferenceTypes

struct StopOptions: ParsableArguments {
    @Option(help: "Tokens to generate at most; 256, or what the context leaves, when absent.")
    var maxTokens: Int64?

    @Option(help: "No end before so many tokens.")
    var minTokens: Int64?

    @Option(
        parsing: .unconditionalSingleValue, help: "Ends the text where this would come; may be given more than once.")
    var stop: [String] = []

    @Option(name: .customLong("stop-token-id"), help: "Ends the text like an EOS; may be given more than once.")
    var stopTokens: [Int64] = []

    @Flag(help: "The stop string stays in the text.")
    var includeStopStrInOutput = false

    @Flag(help: "An EOS ends nothing.")
    var ignoreEos = false

    @Option(help: "Seconds after which the text ends.")
    var maxTime: Double?

    func add(to fields: inout RequestFields) {
        fields.add("max_tokens", maxTokens)
        fields.add("min_tokens", minTokens)
        fields.add("stop", stop)
        fields.add("stop_token_ids", stopTokens)
        if includeStopStrInOutput { fields.add("include_stop_str_in_output", true) }
        if ignoreEos { fields.add("ignore_eos", true) }
        fields.add("max_time", maxTime)
    }
}

struct PromptOptions: ParsableArguments {
    @Option(
        parsing: .unconditional, help: "What follows the generated text, for models that fill in the middle.")
    var suffix: String?

    @Flag(inversion: .prefixedNo, help: "The tokens that start a text go before the prompt.")
    var addSpecialTokens = true

    @Option(
        parsing: .unconditional, help: "Only so many tokens of the prompt; −1 takes what the context leaves.")
    var truncatePromptTokens: Int64?

    @Option(help: "left or right: which side of a long prompt goes.")
    var truncationSide: String?

    func add(to fields: inout RequestFields) {
        fields.add("suffix", suffix)
        if !addSpecialTokens { fields.add("add_special_tokens", false) }
        fields.add("truncate_prompt_tokens", truncatePromptTokens)
        fields.add("truncation_side", truncationSide)
    }
}

struct OutputOptions: ParsableArguments {
    @Flag(inversion: .prefixedNo, help: "Special tokens do not show.")
    var skipSpecialTokens = true

    @Flag(help: "Print the answer that the server would give, as JSON.")
    var json = false

    @Flag(help: "Print how each step came to its tokens: candidates, what each filter removed, the tree of beams.")
    var explain = false

    @Flag(help: "With --json: the prompt is part of the text.")
    var echo = false

    @Option(help: "With --json: logprobs of each token and of so many most probable ones.")
    var logprobs: Int64?

    @Option(help: "With --json: the same for the prompt.")
    var promptLogprobs: Int64?

    @Flag(help: "With --json: ids of all tokens.")
    var returnTokenIds = false

    @Flag(help: "With --json: tokens of logprobs as token_id:N.")
    var returnTokensAsTokenIds = false

    func validate() throws {
        let needJSON =
            echo || logprobs != nil || promptLogprobs != nil || returnTokenIds || returnTokensAsTokenIds
        guard json || !needJSON else {
            throw ValidationError(
                "--echo, --logprobs, --prompt-logprobs, --return-token-ids and --return-tokens-as-token-ids need --json"
            )
        }
        guard !(json && explain) else { throw ValidationError("--explain and --json exclude each other") }
    }

    func add(to fields: inout RequestFields) {
        if !skipSpecialTokens { fields.add("skip_special_tokens", false) }
        if echo { fields.add("echo", true) }
        fields.add("logprobs", logprobs)
        fields.add("prompt_logprobs", promptLogprobs)
        if returnTokenIds { fields.add("return_token_ids", true) }
        if returnTokensAsTokenIds { fields.add("return_tokens_as_token_ids", true) }
    }
}

/// The body of a completion call while it is put together.
struct RequestFields {
    private(set) var members: [JSONMember] = []

    mutating func add(_ name: String, _ value: JSONValue) {
        members.append(JSONMember(key: Array(name.utf8), value: value))
    }

    mutating func add(_ name: String, _ value: Int64?) {
        if let value { add(name, .integer(value)) }
    }

    mutating func add(_ name: String, _ value: Double?) {
        if let value { add(name, .double(value)) }
    }

    mutating func add(_ name: String, _ value: Bool?) {
        if let value { add(name, .bool(value)) }
    }

    mutating func add(_ name: String, _ value: String?) {
        if let value { add(name, .string(Array(value.utf8))) }
    }

    /// Absent when empty.
    mutating func add(_ name: String, _ values: [String]) {
        if !values.isEmpty { add(name, .array(values.map { .string(Array($0.utf8)) })) }
    }

    /// Absent when empty.
    mutating func add(_ name: String, _ values: [Int64]) {
        if !values.isEmpty { add(name, .array(values.map(JSONValue.integer))) }
    }

    func has(_ name: String) -> Bool { members.contains { $0.key.elementsEqual(name.utf8) } }
}
