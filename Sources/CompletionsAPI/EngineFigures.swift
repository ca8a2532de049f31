import Engine
import Telemetry

/// The engine's statistics as metrics.
///
/// - Source: api.md C.1: vLLM's names, with our prefix, where it has the figure.
extension EngineStatistics {
    func metrics(labels: MetricLabels) -> [MetricSnapshot] {
        (gauges + counters).map { figure in
            MetricSnapshot(
                MetricFamily(ServiceMetrics.prefix + figure.name, figure.help, figure.kind), figure.value,
                labels: labels)
        }
    }

    private typealias Figure = (name: String, help: String, kind: MetricFamily.Kind, value: Double)

    private var gauges: [Figure] {
        func gauge(_ name: String, _ help: String, _ value: Int) -> Figure { (name, help, .gauge, Double(value)) }
        let used = totalBlockCount > 0 ? Double(totalBlockCount - freeBlockCount) / Double(totalBlockCount) : 0
        return [
            gauge("num_requests_running", "Requests that are computed.", runningCount),
            gauge("num_requests_waiting", "Requests that wait for their turn.", waitingCount),
            gauge("num_tokens_waiting", "Prompt tokens of the requests that wait.", waitingTokenCount),
            gauge("beam_requests_running", "Beam searches among the requests that are computed.", runningBeamCount),
            ("kv_cache_usage_perc", "KV blocks that requests hold, of all: 0 to 1.", .gauge, used),
            gauge("kv_cache_blocks", "KV blocks.", totalBlockCount),
            gauge("kv_cache_blocks_cached", "Free KV blocks that hold a prefix for later requests.", cachedBlockCount),
        ]
    }

    private var counters: [Figure] {
        func counter(_ name: String, _ help: String, _ value: Int) -> Figure {
            (name + "_total", help, .counter, Double(value))
        }
        return [
            counter("prefix_cache_queries", "Prompt tokens looked up in the prefix cache.", startedPromptTokenCount),
            counter("prefix_cache_hits", "Prompt tokens found in the prefix cache.", cachedPromptTokenCount),
            counter("num_preemptions", "Requests that had to give back their KV blocks.", preemptionCount),
            counter("prompt_tokens", "Prompt tokens of requests that were begun.", startedPromptTokenCount),
            counter("generation_tokens", "Tokens that the engine told.", generatedTokenCount),
            counter("requests_started", "Requests that the engine began with.", startedCount),
            counter("engine_steps", "Forward passes.", stepCount),
            counter("engine_step_tokens", "Tokens that forward passes computed.", computedTokenCount),
        ]
    }
}
