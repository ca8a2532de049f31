package import Engine
package import InferenceTypes
import Tokenization

/// A validated call with nothing optional: what the engine is asked, whose choices its answers are, and how to tell them.
///
/// The HTTP server and the command line both go through it, so that a field means the same in both.
package struct CompletionCall: Sendable {
    /// One prompt of the call.
    package struct Prompt: Sendable, Equatable {
        package var tokens: [TokenID]
        /// Of choice 0; choice `i` has `seed + i` where choices draw alone, so that it can be repeated alone.
        package var seed: UInt64
        /// What `echo` puts before each choice; nil without it.
        package var echo: EchoText?
    }

    /// One request to the engine.
    package struct Run: Sendable, Equatable {
        /// Place of its prompt in `prompts`.
        package var prompt: Int
        package var request: GenerationRequest
        /// How many equal choices its one choice stands for; 1 unless nothing is drawn.
        package var copyCount = 1

        /// The prompt's choices that hear what the engine says of its choice.
        package func choices(hearing choice: Int) -> Range<Int> {
            copyCount > 1 ? 0..<copyCount : choice..<choice + 1
        }
    }

    package var prompts: [Prompt] = []
    package var runs: [Run] = []
    /// Choices of each prompt that are answered.
    package var choiceCount: Int
    /// Choices of each prompt that are generated. More than `choiceCount`: the best are answered.
    package var generatedChoiceCount: Int
    var delivery: Delivery
    var format: AnswerFormat
    /// The client's own name for the completion.
    package var requestID: [UInt8]?
    var user: [UInt8]?
    /// `priority` was sent.
    var saysPriority: Bool
    /// Names of fields that nobody knows.
    package var unknownFields: [[UInt8]]
    /// The field to blame for too many sequences.
    var widthParameter: String
    /// What a client hears whose request waited for too long, by the load of that moment.
    var queueTimeout: @Sendable () -> APIError

    /// More choices are generated than answered: those with the highest mean log-probability per token are.
    package var isRanked: Bool { generatedChoiceCount > choiceCount }

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

    /// - Parameters:
    ///   - members: those of the request's body.
    ///   - random: asked for the seeds that the call does not bring.
    /// - Throws: `APIError` for the first field that is wrong, alone or beside others; nothing is asked of the engine.
    package init(
        _ members: [JSONMember], model: ServedModel, unknownFields: ServiceConfiguration.UnknownFields,
        random: () -> UInt64
    ) throws(APIError) {
        let sent = try CompletionRequest.decode(members, for: model, unknownFields: unknownFields)
        let decoding = try Decoding(sent, model: model)
        let maxTokens = sent.maxTokens ?? RequestLimits.maxTokensDefault
        choiceCount = decoding.choiceCount
        generatedChoiceCount = decoding.generatedChoiceCount
        widthParameter = decoding.widthParameter
        queueTimeout = {
            .queueTimeout(after: model.maxQueueTime, retryAfter: model.statistics().retryAfterSeconds)
        }
        delivery = sent.stream == true ? .stream(Self.usageReport(sent.streamOptions)) : .whole
        format = AnswerFormat(sent, model: model)
        requestID = sent.requestID
        user = sent.user
        saysPriority = sent.priority != nil
        self.unknownFields = sent.unknownFields
        let template = GenerationRequest(
            promptTokens: [], mode: decoding.mode, stop: try Self.stopConditions(sent, maxTokens, model),
            processing: try LogitsProcessing(sent, model: model), report: decoding.report(sent),
            scheduling: try Scheduling(sent))
        let inputs = try PromptInput.all(of: sent, maxTokens: maxTokens, model: model)
        try checkChoices(promptCount: inputs.count, sent)
        for input in inputs {
            let seed = sent.seed.map { UInt64(bitPattern: $0) } ?? random() >> Self.unusedSeedBits
            prompts.append(Prompt(tokens: input.tokens, seed: seed, echo: input.echo))
            runs += try decoding.runs(template, prompt: prompts.count - 1, tokens: input.tokens, seed: seed, model)
        }
    }

    /// A drawn seed, and the choices that count up from it, stay below 2^53, so that every JSON reader can hand them back
    /// unchanged (RFC 8259 section 6).
    private static let unusedSeedBits = 12

    private func checkChoices(promptCount: Int, _ sent: CompletionRequest) throws(APIError) {
        let count = promptCount * generatedChoiceCount
        guard count <= RequestLimits.totalChoiceCount else {
            let name = sent.bestOf != nil ? "best_of" : sent.count == nil ? "num_return_sequences" : "n"
            throw .invalid(
                "'\(name)' must make at most \(RequestLimits.totalChoiceCount) choices over all prompts, got \(count) "
                    + "(\(promptCount) prompts with \(generatedChoiceCount) each).", parameter: name)
        }
    }

    private static func usageReport(_ options: CompletionRequest.StreamOptions?) -> UsageReport {
        guard let options, options.includeUsage else { return .never }
        return options.continuousUsageStats ? .onEveryChunk : .atEnd
    }

    private static func stopConditions(
        _ sent: CompletionRequest, _ maxTokens: Int, _ model: ServedModel
    ) throws(APIError) -> StopConditions {
        let minTokens = sent.minTokens ?? 0
        guard minTokens <= maxTokens else {
            throw .invalid(
                "'min_tokens' must be at most max_tokens (\(maxTokens)), got \(minTokens).", parameter: "min_tokens")
        }
        return StopConditions(
            maxTokens: maxTokens,
            endOfSequence: sent.ignoreEndOfSequence == true ? [] : model.tokenizer.endOfSequence,
            stopTokens: Set(sent.stopTokens ?? []), strings: sent.stop ?? [], keepsStop: sent.includeStop ?? false,
            maxTime: sent.maxTime.map { .seconds($0) })
    }
}

extension CompletionCall {
    /// Hands a run to the engine.
    ///
    /// - Throws: what the engine does not take, in the client's words.
    package func start(_ run: Run, by model: ServedModel) throws(APIError) -> Generation {
        do throws(AdmissionError) { return try model.generate(run.request) } catch {
            throw APIError(error, of: run, in: self)
        }
    }
}

extension APIError {
    fileprivate init(_ error: AdmissionError, of run: CompletionCall.Run, in call: CompletionCall) {
        switch error {
        case .queueFull(let retryAfter): self = .queueFull(retryAfter: retryAfter)
        case .draining: self = .draining
        case .tooLong(let limit):
            self = .contextExceeded(
                contextCount: limit, promptCount: run.request.promptTokens.count,
                maxTokens: run.request.stop.maxTokens)
        case .tooWide(let limit):
            self = .tooWide(call.widthParameter, limit: limit, got: run.request.width)
        }
    }
}
