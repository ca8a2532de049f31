import ArgumentParser
import HTTPCodec
import HTTPTransport
import Logging
import Telemetry

/// Where `serve` tells what it counted.
struct MetricsOptions: ParsableArguments {
    @Flag(inversion: .prefixedNo, help: "Count, and answer GET /metrics in Prometheus' text format.")
    var metrics = true

    @Option(
        help: "Answer /metrics on this port of 127.0.0.1, in clear text, and not beside the API; 0 takes a free one.")
    var metricsPort: Int?

    func validate() throws {
        guard let metricsPort else { return }
        guard (0...65_535).contains(metricsPort) else {
            throw ValidationError("--metrics-port must be in 0…65535, got \(metricsPort)")
        }
        guard metrics else { throw ValidationError("--metrics-port and --no-metrics exclude each other") }
    }

    /// Nil where nothing is to be counted.
    var registry: MetricRegistry? { metrics ? MetricRegistry() : nil }

    /// The listener of its own, where one is wanted.
    func listener(_ reception: Reception, _ logger: Logger) throws(StartError) -> Listener? {
        guard let metricsPort else { return nil }
        var configuration = ListenerConfiguration()
        configuration.port = metricsPort
        configuration.queueCount = 1
        do throws(ListenerError) {
            return try Listener(
                configuration, logger: logger, onDrainTimeout: {},
                handler: { await reception.respondToScrape($0) })
        } catch {
            throw StartError("metrics: \(error)")
        }
    }
}
