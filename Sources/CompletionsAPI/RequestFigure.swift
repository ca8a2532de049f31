import Telemetry

/// A histogram over completions.
///
/// - Source: api.md C.1: vLLM's names, with our prefix.
enum RequestFigure: String, CaseIterable, Sendable {
    case promptTokens = "request_prompt_tokens"
    case generationTokens = "request_generation_tokens"
    case count = "request_params_n"
    case maxTokens = "request_params_max_tokens"
    case firstToken = "time_to_first_token_seconds"
    case interToken = "inter_token_latency_seconds"
    case whole = "e2e_request_latency_seconds"
    case queue = "request_queue_time_seconds"
    case inference = "request_inference_time_seconds"
    case prefill = "request_prefill_time_seconds"
    case decode = "request_decode_time_seconds"

    private var help: String {
        switch self {
        case .promptTokens: "Prompt tokens of a completion, each prompt once."
        case .generationTokens: "Generated tokens of a completion's answered choices."
        case .count: "Parameter n of a completion."
        case .maxTokens: "Parameter max_tokens of a completion."
        case .firstToken: "From a completion's arrival to its first token."
        case .interToken: "Between two deltas of a choice."
        case .whole: "From a completion's arrival to its end."
        case .queue: "Waiting for the engine to begin with a completion."
        case .inference: "Computing a completion: prefill and decode."
        case .prefill: "Computing a completion up to its first token."
        case .decode: "From a completion's first token to its last."
        }
    }

    /// vLLM's bounds of times, and below them some for small models.
    private func bounds(contextCount: Int) -> [Double] {
        switch self {
        case .promptTokens, .generationTokens, .maxTokens: Self.tokenBounds(upTo: contextCount)
        case .count: [1, 2, 5, 10, 20, 50, 100]
        case .firstToken:
            [
                0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160,
                640,
                2560,
            ]
        case .interToken:
            [
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
                20,
                40, 80,
            ]
        case .whole, .queue, .inference, .prefill, .decode:
            [
                0.01, 0.03, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920,
                7680,
            ]
        }
    }

    /// 1, 2, 5, 10, … up to the context.
    private static func tokenBounds(upTo contextCount: Int) -> [Double] {
        var bounds: [Double] = []
        var decade = 1.0
        while decade <= Double(contextCount) {
            bounds += [1, 2, 5].map { $0 * decade }.filter { $0 <= Double(contextCount) }
            decade *= 10
        }
        return bounds
    }

    func family(contextCount: Int) -> MetricFamily {
        MetricFamily(ServiceMetrics.prefix + rawValue, help, .histogram(bounds(contextCount: contextCount)))
    }
}
