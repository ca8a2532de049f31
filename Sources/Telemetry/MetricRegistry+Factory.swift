package import CoreMetrics

/// swift-metrics' door to the registry. A recorder that aggregates, and a timer, are histograms; a timer's unit is the
/// second. A series that was refused has a handler that does nothing.
extension MetricRegistry: MetricsFactory {
    /// Of histograms that nobody declared.
    ///
    /// - Source: the default buckets of Prometheus' client libraries.
    package static let defaultBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        handler(label, dimensions, .counter) { $0 == .counter }
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        handler(label, dimensions, .counter) { $0 == .counter }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        handler(label, dimensions, .gauge) { $0 == .gauge }
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        aggregate
            ? handler(label, dimensions, .histogram(Self.defaultBounds), fits: Self.isHistogram)
            : handler(label, dimensions, .gauge) { $0 == .gauge }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        handler(label, dimensions, .histogram(Self.defaultBounds), fits: Self.isHistogram)
    }

    package func destroyCounter(_ handler: any CounterHandler) { destroy(handler) }
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { destroy(handler) }
    package func destroyMeter(_ handler: any MeterHandler) { destroy(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { destroy(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { destroy(handler) }

    private static func isHistogram(_ kind: MetricFamily.Kind) -> Bool {
        if case .histogram = kind { true } else { false }
    }

    private func handler(
        _ label: String, _ dimensions: [(String, String)], _ fallback: MetricFamily.Kind,
        fits: (MetricFamily.Kind) -> Bool
    ) -> SeriesHandler {
        SeriesHandler(registry: self, series: open(label, dimensions, or: fallback, fits: fits))
    }

    private func destroy(_ handler: AnyObject) {
        if let series = (handler as? SeriesHandler)?.series { close(series) }
    }
}

/// One series as swift-metrics sees it; what an addition or a value means, the registry decides by the series' kind.
private final class SeriesHandler: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler,
    TimerHandler
{
    private let registry: MetricRegistry
    let series: MetricRegistry.Series?

    init(registry: MetricRegistry, series: MetricRegistry.Series?) {
        self.registry = registry
        self.series = series
    }

    private func apply(_ change: MetricRegistry.Change) {
        if let series { registry.apply(change, to: series) }
    }

    func increment(by amount: Int64) { apply(.add(Double(amount))) }
    func increment(by amount: Double) { apply(.add(amount)) }
    func decrement(by amount: Double) { apply(.add(-amount)) }
    func set(_ value: Int64) { apply(.set(Double(value))) }
    func set(_ value: Double) { apply(.set(value)) }
    func record(_ value: Int64) { apply(.observe(Double(value))) }
    func record(_ value: Double) { apply(.observe(value)) }
    func recordNanoseconds(_ duration: Int64) { apply(.observe(Double(duration) / 1e9)) }
    func reset() { apply(.reset) }
}
