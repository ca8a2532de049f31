import InferenceTypes

/// Measured values of one quantity.
struct Distribution: Sendable, Equatable {
    private var sorted: [Double]

    init(_ samples: [Double]) { sorted = samples.sorted() }

    var count: Int { sorted.count }

    mutating func add(_ sample: Double) {
        // Most come in no order: a search and a shift, rather than sorting anew.
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] <= sample { low = middle + 1 } else { high = middle }
        }
        sorted.insert(sample, at: low)
    }

    /// The value that `percent` of the samples are not above, between two of them in proportion; nil without samples.
    ///
    /// - Source: type 7 of Hyndman and Fan (1996), the default of NumPy and R.
    func percentile(_ percent: Double) -> Double? {
        guard let last = sorted.indices.last else { return nil }
        let place = min(max(percent / 100, 0), 1) * Double(last)
        guard let below = Int(exactly: place.rounded(.down)) else { return nil }
        let above = min(below + 1, last)
        return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
    }

    var median: Double? { percentile(50) }
    var mean: Double? { sorted.isEmpty ? nil : sorted.reduce(0, +) / Double(sorted.count) }

    /// How many samples lie in `range`, its end left out.
    func count(in range: Range<Double>) -> Int {
        sorted.reduce(0) { $0 + (range.contains($1) ? 1 : 0) }
    }

    /// `p10`, `p50` … as members of a document, each multiplied by `factor`.
    func document(_ percents: [Int], factor: Double = 1) -> JSONValue {
        .object(
            percents.compactMap { percent in
                percentile(Double(percent)).map {
                    JSONMember(key: Array("p\(percent)".utf8), value: .double($0 * factor))
                }
            })
    }
}

extension Readable {
    /// With so many digits after the point.
    static func fixed(_ value: Double?, _ digits: Int = 1) -> String {
        guard let value else { return "–" }
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        guard let scaled = Int(exactly: (value.magnitude * scale).rounded()) else { return "\(value)" }
        var text = String(scaled)
        if digits > 0 {
            text = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
            text.insert(".", at: text.index(text.endIndex, offsetBy: -digits))
        }
        return value < 0 && scaled != 0 ? "-" + text : text
    }

    /// With about three digits that say something.
    static func figure(_ value: Double?) -> String {
        guard let value else { return "–" }
        return fixed(value, value.magnitude < 10 ? 2 : value.magnitude < 100 ? 1 : 0)
    }

    static func percent(_ share: Double?) -> String { share.map { fixed($0 * 100, 0) + " %" } ?? "–" }
}

/// A table in Markdown, which reads as text too: columns are as wide as their widest cell.
struct MarkdownTable {
    /// Of all columns but the first, which is for words.
    private(set) var rows: [[String]]
    private let header: [String]

    init(_ header: [String]) {
        self.header = header
        rows = []
    }

    mutating func add(_ row: [String]) {
        precondition(row.count == header.count)
        // A bar would end the cell.
        rows.append(row.map { $0.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") })
    }

    var text: String {
        let widths = header.indices.map { column in
            max(3, ([header] + rows).map { $0[column].count }.max() ?? 0)
        }
        func line(_ cells: [String]) -> String {
            let padded = zip(cells, widths).enumerated().map { column, cell in
                let space = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
                return column == 0 ? cell.0 + space : space + cell.0
            }
            return "| " + padded.joined(separator: " | ") + " |\n"
        }
        let rule = widths.enumerated().map { column, width in
            column == 0 ? String(repeating: "-", count: width) : String(repeating: "-", count: width - 1) + ":"
        }
        return line(header) + line(rule) + rows.map(line).joined()
    }
}

extension JSONValue {
    /// An object whose members keep the order in which they are written here.
    static func document(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(members.map { JSONMember(key: Array($0.key.utf8), value: $0.value) })
    }

    static func words(_ text: String) -> JSONValue { .string(Array(text.utf8)) }

    static func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }

    static func number(_ value: Int) -> JSONValue { .integer(Int64(value)) }
}
