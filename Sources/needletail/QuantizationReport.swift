import Checkpoints
import InferenceTypes
import Quantization

/// What became of a model's tensors: a line for each kind and type.
struct QuantizationReport {
    private struct Row {
        var kind: Kind
        var type: ElementType
        var count = 0
        var before = 0
        var after = 0
        var error = RoundingError()
    }

    private enum Kind: String, CaseIterable {
        case embedding, head, attention
        case feedForward = "feed-forward"
        case vectors, other
    }

    private var rows: [Row] = []

    init(_ outcomes: [QuantizationJob.Outcome]) {
        for outcome in outcomes { take(outcome) }
        let order = Kind.allCases
        rows.sort { first, second in
            let (left, right) = (order.firstIndex(of: first.kind) ?? 0, order.firstIndex(of: second.kind) ?? 0)
            return (left, first.type.rawValue) < (right, second.type.rawValue)
        }
    }

    private mutating func take(_ outcome: QuantizationJob.Outcome) {
        let (tensor, entry) = (outcome.step.tensor, outcome.step.entry)
        let kind = Self.kind(tensor)
        let index = rows.firstIndex { $0.kind == kind && $0.type == entry.elementType } ?? rows.count
        if index == rows.count { rows.append(Row(kind: kind, type: entry.elementType)) }
        rows[index].count += 1
        rows[index].before += tensor.byteCount
        rows[index].after += entry.byteCount
        rows[index].error.add(outcome.error)
    }

    private static func kind(_ tensor: GGUFExport.Tensor) -> Kind {
        guard tensor.shape.count > 1 else { return .vectors }
        switch tensor.role {
        case .embedding, .positionEmbedding: return .embedding
        case .head: return .head
        case .query, .key, .value, .attentionOutput: return .attention
        case .gate, .up, .down: return .feedForward
        default: return .other
        }
    }

    /// A heading and the rows; the error is the root mean square of what rounding changed, over that of the weights.
    var lines: [String] {
        let heading = ["tensors", "type", "count", "before", "after", "error"]
        let cells = rows.map { row in
            [
                row.kind.rawValue, row.type.name, "\(row.count)", Readable.bytes(row.before), Readable.bytes(row.after),
                Self.percent(row.error.relative),
            ]
        }
        let table = [heading] + cells
        let widths = heading.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        return table.map { line in
            line.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - line[column].count)
                return column < 2 ? line[column] + padding : padding + line[column]
            }.joined(separator: "  ")
        }
    }

    private static func percent(_ value: Double) -> String {
        value == 0 ? "0 %" : "\((value * 100_000).rounded() / 1000) %"
    }
}
