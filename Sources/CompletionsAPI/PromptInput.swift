import InferenceTypes
import Tokenization

/// A prompt as the engine gets it, and as `echo` shows it.
struct PromptInput: Sendable {
    var tokens: [TokenID]
    var echo: EchoText?

    /// - Throws: 400 when a prompt is empty, or it and `max_tokens` do not fit the context.
    static func all(
        of sent: CompletionRequest, maxTokens: Int, model: ServedModel
    ) throws(APIError) -> [PromptInput] {
        try checkFields(sent)
        let maker = Maker(sent, model.tokenizer, limit: try limit(sent, maxTokens, model))
        var inputs: [PromptInput] = []
        switch sent.prompt {
        case .tokens(let lists): inputs = lists.map { maker.input($0) }
        case .texts(let texts):
            for (index, text) in texts.enumerated() {
                inputs.append(try maker.input(text, place: texts.count == 1 ? "prompt" : "prompt[\(index)]"))
            }
        case nil: inputs = [try maker.input([], place: "prompt")]
        }
        for input in inputs where input.tokens.count > model.contextCount - maxTokens {
            throw .contextExceeded(
                contextCount: model.contextCount, promptCount: input.tokens.count, maxTokens: maxTokens)
        }
        return inputs
    }

    private static func checkFields(_ sent: CompletionRequest) throws(APIError) {
        if sent.truncationSide == .right, sent.truncatePromptTokens == nil {
            throw .invalid(
                "'truncation_side' has no effect without truncate_prompt_tokens, got \"right\".",
                parameter: "truncation_side")
        }
        guard sent.suffix?.isEmpty == false else { return }
        if sent.echo == true {
            throw .invalid(
                "'suffix' must be left out with echo: the prompt is not what stands before the completion.",
                parameter: "suffix")
        }
        if sent.truncatePromptTokens != nil {
            throw .invalid(
                "'truncate_prompt_tokens' must be left out with suffix, whose tokens it could cut.",
                parameter: "truncate_prompt_tokens")
        }
    }

    /// Prompt tokens that are kept; nil keeps all.
    private static func limit(
        _ sent: CompletionRequest, _ maxTokens: Int, _ model: ServedModel
    ) throws(APIError) -> Int? {
        guard let wanted = sent.truncatePromptTokens, wanted < 0 else { return sent.truncatePromptTokens }
        let room = model.contextCount - maxTokens
        guard room > 0 else {
            throw .invalid(
                "'truncate_prompt_tokens' is -1, but max_tokens (\(maxTokens)) leaves no room for a prompt in the context "
                    + "of \(model.contextCount).", parameter: "truncate_prompt_tokens")
        }
        return room
    }
}

/// Turns the prompts of one call into tokens.
private struct Maker {
    let tokenizer: Tokenizer
    let specialTokens: SpecialTokens
    let shownSpecialTokens: SpecialTokenText
    let suffix: [UInt8]
    let limit: Int?
    let side: CompletionRequest.TruncationSide
    let echoes: Bool

    init(_ sent: CompletionRequest, _ tokenizer: Tokenizer, limit: Int?) {
        self.tokenizer = tokenizer
        self.limit = limit
        specialTokens = sent.addSpecialTokens == false ? .omit : .add
        shownSpecialTokens = sent.skipSpecialTokens == false ? .keep : .skip
        suffix = sent.suffix ?? []
        side = sent.truncationSide ?? .left
        echoes = sent.echo == true
    }

    func input(_ text: [UInt8], place: String) throws(APIError) -> PromptInput {
        let encoded = suffix.isEmpty ? tokenizer.encode(text, addSpecialTokens: specialTokens) : framed(text)
        guard !encoded.isEmpty else {
            throw .invalid("'\(place)' must not be empty: it has no token that starts a text.", parameter: "prompt")
        }
        let tokens = truncated(encoded)
        guard echoes else { return PromptInput(tokens: tokens) }
        // Of a prompt that was cut, what is left.
        guard tokens.count == encoded.count else { return decoded(tokens) }
        let hasStart = specialTokens == .add && tokenizer.addsBeginOfSequence
        return PromptInput(
            tokens: tokens, echo: EchoText(sent: text, tokens, addedCount: hasStart ? 1 : 0, tokenizer))
    }

    func input(_ tokens: [TokenID]) -> PromptInput { decoded(truncated(framed(tokens))) }

    private func decoded(_ tokens: [TokenID]) -> PromptInput {
        PromptInput(
            tokens: tokens, echo: echoes ? EchoText(decoding: tokens, shownSpecialTokens, tokenizer) : nil)
    }

    private func truncated(_ tokens: [TokenID]) -> [TokenID] {
        guard let limit, tokens.count > limit else { return tokens }
        return Array(side == .left ? tokens.suffix(limit) : tokens.prefix(limit))
    }

    /// Prefix, text, suffix, its text, middle: what the model adds then stands between the two.
    ///
    /// - Source: Bavarian et al., "Efficient Training of Language Models to Fill in the Middle" (2022), the PSM order.
    private func framed(_ text: [UInt8]) -> [TokenID] {
        let start = specialTokens == .add && tokenizer.addsBeginOfSequence ? tokenizer.beginOfSequence : nil
        let body = framed(tokenizer.encode(text, addSpecialTokens: .omit))
        return (start.map { [$0] } ?? []) + body
    }

    private func framed(_ tokens: [TokenID]) -> [TokenID] {
        guard !suffix.isEmpty, let frame = tokenizer.fillInMiddle else { return tokens }
        return [frame.prefix] + tokens + [frame.suffix] + tokenizer.encode(suffix, addSpecialTokens: .omit)
            + [frame.middle]
    }
}
