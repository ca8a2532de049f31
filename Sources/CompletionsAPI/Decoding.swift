import Engine
import InferenceTypes

/// How a call turns scores into tokens, before it is said for each prompt: mode, choices, and which field to blame.
///
/// - Source: api.md A.1 and A.3.
struct Decoding: Sendable {
    /// With the choices of one prompt and no seed.
    private(set) var mode: DecodingMode
    private(set) var choiceCount: Int
    private(set) var generatedChoiceCount: Int
    /// The field that says how many sequences run together.
    private(set) var widthParameter: String

    init(_ sent: CompletionRequest, model: ServedModel) throws(APIError) {
        choiceCount = try agreed("num_return_sequences", sent.returnSequenceCount, "n", sent.count) ?? 1
        generatedChoiceCount = choiceCount
        let sampling = try SamplingIntent(sent, model: model)
        try Self.checkBestOf(sent, choiceCount: choiceCount)
        if let width = try BeamWidth(sent, choiceCount: choiceCount) {
            widthParameter = width.parameter
            mode = try Self.beams(sent, width, sampling, choiceCount: choiceCount, model: model)
            return
        }
        try Self.refuseBeamFields(sent)
        if let alpha = sent.penaltyAlpha, alpha > 0 {
            widthParameter = "top_k"
            mode = try Self.contrastive(sent, alpha: alpha, sampling, vocabularyCount: model.vocabularyCount)
        } else {
            widthParameter = sent.bestOf == nil ? "n" : "best_of"
            mode = .sampling(sampling.unlessBeams, choices: 0..<max(choiceCount, sent.bestOf ?? 1))
        }
        // Choices that cannot differ are one, of which none is the best.
        if !isDeterministic { generatedChoiceCount = max(choiceCount, sent.bestOf ?? 1) }
        try checkStream(sent)
    }

    private static func checkBestOf(_ sent: CompletionRequest, choiceCount: Int) throws(APIError) {
        guard let bestOf = sent.bestOf, bestOf < choiceCount else { return }
        throw .invalid("'best_of' must be at least n (\(choiceCount)), got \(bestOf).", parameter: "best_of")
    }

    private func checkStream(_ sent: CompletionRequest) throws(APIError) {
        guard sent.stream == true, let bestOf = sent.bestOf, bestOf > choiceCount else { return }
        throw .invalid(
            "'best_of' must be n (\(choiceCount)) in a stream, got \(bestOf): which choices are the best is known at the "
                + "end.", parameter: "best_of")
    }

    private var isDeterministic: Bool {
        switch mode {
        case .sampling(let parameters, _): parameters.isGreedy
        case .beam(_, let sampling): sampling == nil
        case .contrastive: true
        }
    }

    /// - Source: Su et al. 2022; transformers selects it by the same fields.
    private static func contrastive(
        _ sent: CompletionRequest, alpha: Double, _ sampling: SamplingIntent, vocabularyCount: Int
    ) throws(APIError) -> DecodingMode {
        guard let topK = sent.topK, topK > 1 else {
            throw .invalid(
                "'penalty_alpha' above 0 is contrastive search, which needs a top_k above 1, got "
                    + (sent.topK.map { "\($0)" } ?? "none") + ".", parameter: "penalty_alpha")
        }
        guard sampling.isAsked != true else {
            throw .invalid(
                "'penalty_alpha' above 0 is contrastive search, which draws nothing: leave out temperature and "
                    + "do_sample, or send temperature 0.", parameter: "penalty_alpha")
        }
        try sampling.refuseIdleWarpers(of: "contrastive search", but: ["top_k"])
        return .contrastive(topK: Int(min(topK, Int64(vocabularyCount))), penaltyAlpha: Float(alpha))
    }

    func report(_ sent: CompletionRequest) -> GenerationReport {
        let ranks = generatedChoiceCount > choiceCount
        var promptCount = sent.promptLogprobs
        if sent.echo == true, let count = sent.logprobs { promptCount = max(count, promptCount ?? 0) }
        return GenerationReport(
            logprobCount: sent.logprobs ?? (ranks ? 0 : nil), promptLogprobCount: promptCount,
            showsSpecialTokens: sent.skipSpecialTokens == false)
    }
}

// MARK: - Requests to the engine

extension Decoding {
    /// What the engine is asked for one prompt: one request, or several where more choices are wanted than can run
    /// together.
    func runs(
        _ template: GenerationRequest, prompt: Int, tokens: [TokenID], seed: UInt64, _ model: ServedModel
    ) throws(APIError) -> [CompletionCall.Run] {
        var request = template
        request.promptTokens = tokens
        switch mode {
        case .sampling(var parameters, let choices):
            parameters.seed = seed
            if isDeterministic {
                request.mode = .sampling(parameters, choices: 0..<1)
                return [CompletionCall.Run(prompt: prompt, request: request, copyCount: choiceCount)]
            }
            request.mode = .sampling(parameters, choices: choices)
            let capacity = max(1, model.sequenceCapacity(request))
            return stride(from: choices.lowerBound, to: choices.upperBound, by: capacity).map { first in
                request.mode = .sampling(parameters, choices: first..<min(first + capacity, choices.upperBound))
                return CompletionCall.Run(prompt: prompt, request: request)
            }
        case .beam(let parameters, var sampling):
            sampling?.seed = seed
            request.mode = .beam(parameters, sampling: sampling)
            try checkWidth(request, model)
            return [CompletionCall.Run(prompt: prompt, request: request)]
        case .contrastive:
            try checkWidth(request, model)
            return [CompletionCall.Run(prompt: prompt, request: request, copyCount: choiceCount)]
        }
    }

    /// Where not even one sequence fits, the engine says what is too long.
    private func checkWidth(_ request: GenerationRequest, _ model: ServedModel) throws(APIError) {
        let capacity = model.sequenceCapacity(request)
        guard capacity == 0 || request.width <= capacity else {
            throw .tooWide(widthParameter, limit: capacity, got: request.width)
        }
    }
}

/// One value under two names: either, or both when they are equal.
func agreed<Value: Equatable>(
    _ alias: String, _ aliasValue: Value?, _ name: String, _ value: Value?
) throws(APIError) -> Value? {
    guard let aliasValue, let value, aliasValue != value else { return value ?? aliasValue }
    throw .invalid("'\(alias)' must be the same as \(name) (\(value)), got \(aliasValue).", parameter: alias)
}

extension APIError {
    static func tooWide(_ parameter: String, limit: Int, got count: Int) -> APIError {
        .invalid(
            "'\(parameter)' must be at most \(limit), as many sequences of this length as the server can hold at once, "
                + "got \(count).", parameter: parameter)
    }
}
