/// What a metric is: its name, what it tells, and how it is counted.
package struct MetricFamily: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// Only rises.
        case counter
        case gauge
        /// Upper bounds of the buckets, ascending and finite; the one without a bound is not among them.
        case histogram([Double])
    }

    package var name: String
    package var help: String
    package var kind: Kind

    package init(_ name: String, _ help: String, _ kind: Kind) {
        self.name = name
        self.help = help
        self.kind = kind
    }
}

/// A series' labels, rendered once: the bytes between the braces.
///
/// - Source: Prometheus text format 0.0.4; in values the backslash, the quote and the line feed are escaped.
package struct MetricLabels: Sendable, Hashable {
    /// Of a value; longer ones are cut.
    package static let valueByteLimit = 128

    package let text: String

    /// - Parameter pairs: names become what the format allows; a name that comes again is left out.
    package init(_ pairs: [(String, String)] = []) {
        var seen: Set<String> = []
        let parts = pairs.compactMap { name, value -> String? in
            let name = MetricName.label(name)
            guard seen.insert(name).inserted else { return nil }
            return "\(name)=\"\(Self.escaped(value))\""
        }
        text = parts.joined(separator: ",")
    }

    private static func escaped(_ value: String) -> String {
        var bytes: [UInt8] = []
        for byte in value.utf8.prefix(valueByteLimit) {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// How often values fell into which bucket.
package struct HistogramCounts: Sendable, Equatable {
    package let bounds: [Double]
    /// Of each bucket alone; the last has no bound.
    package private(set) var counts: [UInt64]
    package private(set) var sum = 0.0

    package init(bounds: [Double]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// A value that is no number is not counted: it would spoil the sum for ever.
    package mutating func observe(_ value: Double) {
        guard value.isFinite else { return }
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }
}

/// A metric at one moment.
package struct MetricSnapshot: Sendable, Equatable {
    package enum Value: Sendable, Equatable {
        case number(Double)
        case histogram(HistogramCounts)
    }

    package struct Sample: Sendable, Equatable {
        package var labels: MetricLabels
        package var value: Value
    }

    package var family: MetricFamily
    package var samples: [Sample]

    package init(_ family: MetricFamily, samples: [Sample]) {
        self.family = family
        self.samples = samples
    }

    /// A metric of one series.
    package init(_ family: MetricFamily, _ value: Double, labels: MetricLabels = MetricLabels()) {
        self.init(family, samples: [Sample(labels: labels, value: .number(value))])
    }
}

/// Names as the format allows them.
enum MetricName {
    /// Letters, digits, `_` and `:`, no digit first; anything else becomes `_`.
    static func metric(_ name: String) -> String { cleaned(name, allowsColon: true) }

    /// The same without `:`. Two underscores in front are the collector's, and `le` is the histogram's.
    static func label(_ name: String) -> String {
        let name = cleaned(name, allowsColon: false)
        return name == "le" || name.hasPrefix("__") ? "own_" + name : name
    }

    private static func cleaned(_ name: String, allowsColon: Bool) -> String {
        var bytes = name.utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                byte
            case UInt8(ascii: ":") where allowsColon: byte
            default: UInt8(ascii: "_")
            }
        }
        let startsBadly = bytes.first.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? true
        if startsBadly { bytes.insert(UInt8(ascii: "_"), at: 0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
