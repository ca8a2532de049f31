/// Metrics as Prometheus reads them.
///
/// - Source: Prometheus, "Exposition formats", text format 0.0.4.
package enum PrometheusText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Families by name, series by labels: the same figures give the same bytes.
    package static func bytes(of metrics: [MetricSnapshot]) -> [UInt8] {
        var text = ""
        for metric in metrics.sorted(by: { $0.family.name < $1.family.name }) where !metric.samples.isEmpty {
            let family = metric.family
            if !family.help.isEmpty { text += "# HELP \(family.name) \(escapedHelp(family.help))\n" }
            text += "# TYPE \(family.name) \(word(family.kind))\n"
            for sample in metric.samples.sorted(by: { $0.labels.text < $1.labels.text }) {
                append(sample, name: family.name, &text)
            }
        }
        return Array(text.utf8)
    }

    private static func append(_ sample: MetricSnapshot.Sample, name: String, _ text: inout String) {
        let labels = sample.labels.text
        switch sample.value {
        case .number(let value): text += line(name, labels, number(value))
        case .histogram(let histogram):
            let prefix = labels.isEmpty ? "" : labels + ","
            var total: UInt64 = 0
            for (bound, count) in zip(histogram.bounds + [.infinity], histogram.counts) {
                total += count
                text += line(name + "_bucket", prefix + "le=\"\(number(bound))\"", "\(total)")
            }
            text += line(name + "_sum", labels, number(histogram.sum))
            text += line(name + "_count", labels, "\(total)")
        }
    }

    private static func line(_ name: String, _ labels: String, _ value: String) -> String {
        labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }

    private static func word(_ kind: MetricFamily.Kind) -> String {
        switch kind {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram: "histogram"
        }
    }

    /// Above this a `Double` has no fraction left.
    private static let wholeLimit = 0x1p53

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < wholeLimit ? "\(Int64(value))" : "\(value)"
    }

    private static func escapedHelp(_ help: String) -> String {
        var bytes: [UInt8] = []
        for byte in help.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
