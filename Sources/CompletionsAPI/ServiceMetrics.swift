import CoreMetrics
import Engine
import HTTPCodec
import HTTPTypes
import Telemetry

/// What the service counts, and the page that tells it.
///
/// Labels are the model's name, the reason of an end, a route's pattern, a method and a status: nothing that a client
/// makes up, so that the page is short and tells nothing of anybody.
struct ServiceMetrics: Sendable {
    static let prefix = "needletail_"
    private static let success = prefix + "request_success_total"
    private static let requests = prefix + "http_requests_total"

    private let registry: MetricRegistry
    private let modelLabel: [(String, String)]
    private let build: String
    private let cache: [(String, String)]
    private let recorders: [RequestFigure: Recorder]
    private let ends: [FinishCounts.Reason: Counter]

    init(_ registry: MetricRegistry, model: ServedModel, build: String) {
        registry.declare(
            RequestFigure.allCases.map { $0.family(contextCount: model.contextCount) } + [
                MetricFamily(Self.success, "Choices of completions that ended, by reason.", .counter),
                MetricFamily(Self.requests, "Requests that were answered.", .counter),
            ])
        let label = [("model_name", model.name)]
        self.registry = registry
        self.build = build
        cache = model.cacheLabels
        modelLabel = label
        recorders = Dictionary(
            uniqueKeysWithValues: RequestFigure.allCases.map { figure in
                (figure, Recorder(label: Self.prefix + figure.rawValue, dimensions: label, factory: registry))
            })
        // All of them from the start, at zero: a rate needs to see the first one rise.
        ends = Dictionary(
            uniqueKeysWithValues: FinishCounts.Reason.allCases.map { reason in
                let labels = label + [("finished_reason", reason.rawValue)]
                return (reason, Counter(label: Self.success, dimensions: labels, factory: registry))
            })
    }

    func countGap(_ time: Duration) { record(.interToken, time) }

    /// A completion is over. What was not reached is not counted: who was never begun has no time of decoding.
    func count(_ completion: CompletionRecord) {
        for (reason, counter) in ends where completion.finishes[reason] > 0 {
            counter.increment(by: completion.finishes[reason])
        }
        record(.promptTokens, completion.promptTokenCount)
        record(.generationTokens, completion.completionTokenCount)
        record(.count, completion.requestedCount)
        record(.maxTokens, completion.maxTokens)
        record(.whole, completion.elapsed)
        if let time = completion.firstTokenTime { record(.firstToken, time) }
        if let time = completion.queueTime { record(.queue, time) }
        if let prompt = completion.promptTime, let decode = completion.decodeTime {
            record(.prefill, prompt)
            record(.decode, decode)
            record(.inference, prompt + decode)
        }
    }

    private func record(_ figure: RequestFigure, _ count: Int) { recorders[figure]?.record(Int64(count)) }

    private func record(_ figure: RequestFigure, _ time: Duration) { recorders[figure]?.record(time / .seconds(1)) }

    func countRequest(handler: String, method: String, status: Int) {
        Counter(
            label: Self.requests,
            dimensions: [("handler", handler), ("method", method), ("status", "\(status)")], factory: registry
        ).increment()
    }

    /// Everything, now.
    func page(_ statistics: EngineStatistics) -> ServerResponse {
        var metrics = registry.snapshot() + ProcessFigures.snapshot()
        metrics += statistics.metrics(labels: MetricLabels(modelLabel))
        metrics += [
            MetricSnapshot(
                MetricFamily(Self.prefix + "build_info", "The program's build.", .gauge), 1,
                labels: MetricLabels([("version", build)])),
            MetricSnapshot(
                MetricFamily(
                    Self.prefix + "metric_series_refused", "Series beyond the bounds, counted nowhere else.", .gauge),
                Double(registry.refusedSeriesCount)),
        ]
        if !cache.isEmpty {
            let family = MetricFamily(Self.prefix + "cache_config_info", "The KV cache's settings.", .gauge)
            metrics.append(MetricSnapshot(family, 1, labels: MetricLabels(modelLabel + cache)))
        }
        return ServerResponse(
            head: HTTPResponse(
                status: .ok, headerFields: [.contentType: PrometheusText.contentType, .cacheControl: "no-store"]),
            body: .bytes(PrometheusText.bytes(of: metrics)))
    }
}
