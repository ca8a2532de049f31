import InferenceTypes

/// The warpers of a call, and whether it asked in so many words to draw.
struct SamplingIntent: Sendable {
    /// As for drawing.
    let parameters: SamplingParameters
    /// Nil where neither `do_sample` nor `temperature` says it: then choices draw, as OpenAI's do, and beams do not.
    let isAsked: Bool?

    /// - Source: api.md A.3: `do_sample` decides, then an explicit `temperature`.
    init(_ sent: CompletionRequest, model: ServedModel) throws(APIError) {
        parameters = SamplingParameters(
            // The sum turns -0 into 0.
            temperature: Float(sent.temperature ?? 1) + 0,
            topH: sent.topH.map(Self.positive),
            topK: Self.topK(sent.topK, vocabularyCount: model.vocabularyCount),
            topP: Self.positive(sent.topP ?? 1),
            minP: Float(sent.minP ?? 0),
            typicalP: Self.positive(sent.typicalP ?? 1),
            epsilonCutoff: Float(sent.epsilonCutoff ?? 0), etaCutoff: Float(sent.etaCutoff ?? 0))
        if sent.doSample == true, let temperature = sent.temperature, parameters.isGreedy {
            throw .invalid(
                "'do_sample' must not be true beside a temperature of \(temperature), which is greedy.",
                parameter: "do_sample")
        }
        let isGreedy = parameters.isGreedy
        isAsked = sent.doSample ?? sent.temperature.map { _ in !isGreedy }
    }

    /// For choices without beams.
    var unlessBeams: SamplingParameters {
        var parameters = parameters
        if isAsked == false { parameters.temperature = 0 }
        return parameters
    }

    /// A positive Double may round to 0 as a Float, which is out of the sampler's range.
    private static func positive(_ value: Double) -> Float { max(Float(value), .leastNormalMagnitude) }

    /// nil where nothing would be dropped: 0 and -1 say so, and so does the whole vocabulary.
    private static func topK(_ sent: Int64?, vocabularyCount: Int) -> Int? {
        guard let sent, sent > 0, sent < Int64(vocabularyCount) else { return nil }
        return Int(sent)
    }

    /// Refuses what would have no effect where nothing is drawn, unless the call said itself that nothing is.
    func refuseIdleWarpers(of mode: String, but allowed: [String] = []) throws(APIError) {
        guard isAsked == nil else { return }
        let warpers = [
            ("top_k", parameters.topK != nil), ("top_p", parameters.topP != 1), ("min_p", parameters.minP != 0),
            ("typical_p", parameters.typicalP != 1), ("epsilon_cutoff", parameters.epsilonCutoff != 0),
            ("eta_cutoff", parameters.etaCutoff != 0), ("top_h", parameters.topH != nil),
        ]
        for (name, isUsed) in warpers where isUsed && !allowed.contains(where: { $0.utf8.elementsEqual(name.utf8) }) {
            throw .invalid(
                "'\(name)' has no effect on \(mode): leave it out, or say with do_sample or temperature what is meant.",
                parameter: name)
        }
    }
}
