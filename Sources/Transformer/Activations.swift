import Checkpoints
import Kernels

/// The buffers of a step, allocated once for the largest one.
///
/// - Shapes: T = `tokenCapacity`, L = `logitsCapacity`; hidden `[T, hidden]`, queries and attended `[T, query heads ×
///   head dimension]`, keys and values `[T, KV heads × head dimension]`, cosines and sines `[T, pairs]`, selected and
///   states `[L, hidden]`, positions `[T, hidden]` where they are learned. What products read: input
///   `[max(T, L), hidden]`, attended rows `[T, query heads × head dimension]`, widened rows `[T, feed forward]`.
struct Activations {
    let hidden, queries, keys, values, attended, selected, states, positions: FloatRows
    let cosines, sines: UnsafeMutablePointer<Float>
    private let input, attendedRows, widenedRows: RowBuffer
    private let arena: Arena

    init(_ configuration: ModelConfiguration, tokenCapacity: Int, logitsCapacity: Int) {
        let floats = Self.floatRows(configuration, tokenCapacity, logitsCapacity)
        let rows = Self.rows(configuration, tokenCapacity, logitsCapacity)
        let arena = Arena(
            capacity: Self.floatCount(configuration, tokenCapacity: tokenCapacity, logitsCapacity: logitsCapacity))
        let buffers = floats.map { arena.allocateRows($0.count, $0.width) }
        (hidden, queries, keys, values) = (buffers[0], buffers[1], buffers[2], buffers[3])
        (attended, cosines, sines) = (buffers[4], buffers[5].base, buffers[6].base)
        (selected, states, positions) = (buffers[7], buffers[8], buffers[9])
        let rowBuffers = rows.map {
            RowBuffer(arena.allocate($0.floatCount), rowCount: $0.count, columnCount: $0.width)
        }
        (input, attendedRows, widenedRows) = (rowBuffers[0], rowBuffers[1], rowBuffers[2])
        self.arena = arena
    }

    /// What the heads, the feed-forward network and the head read: normalised states.
    func input(_ kind: RowKind) -> ActivationRows { input.rows(kind) }

    /// What the output projection of attention reads.
    func attendedRows(_ kind: RowKind) -> ActivationRows { attendedRows.rows(kind) }

    /// What the projection back to hidden reads.
    func widenedRows(_ kind: RowKind) -> ActivationRows { widenedRows.rows(kind) }

    /// Floats of all buffers together.
    static func floatCount(_ configuration: ModelConfiguration, tokenCapacity: Int, logitsCapacity: Int) -> Int {
        let floats = floatRows(configuration, tokenCapacity, logitsCapacity)
        let rows = rows(configuration, tokenCapacity, logitsCapacity)
        return floats.reduce(0) { $0 + Arena.footprint($1.count * $1.width) }
            + rows.reduce(0) { $0 + Arena.footprint($1.floatCount) }
    }

    private struct Shape {
        var count: Int
        var width: Int

        /// Floats that take as much as rows of any kind.
        var floatCount: Int { RowKind.allCases.map { $0.rowByteCount(columnCount: width) * count / 4 + 1 }.max() ?? 0 }
    }

    private static func floatRows(
        _ configuration: ModelConfiguration, _ tokenCapacity: Int, _ logitsCapacity: Int
    ) -> [Shape] {
        let pairs = configuration.rotaryDimension / 2
        let ofTokens = [
            configuration.hiddenSize, configuration.querySize, configuration.keyValueSize, configuration.keyValueSize,
            configuration.querySize, pairs, pairs,
        ]
        let positions = Shape(
            count: configuration.positions == .learned ? tokenCapacity : 0, width: configuration.hiddenSize)
        let ofLogits = [configuration.hiddenSize, configuration.hiddenSize]
        return ofTokens.map { Shape(count: tokenCapacity, width: $0) }
            + ofLogits.map { Shape(count: logitsCapacity, width: $0) } + [positions]
    }

    private static func rows(
        _ configuration: ModelConfiguration, _ tokenCapacity: Int, _ logitsCapacity: Int
    ) -> [Shape] {
        [
            Shape(count: max(tokenCapacity, logitsCapacity), width: configuration.hiddenSize),
            Shape(count: tokenCapacity, width: configuration.querySize),
            Shape(count: tokenCapacity, width: configuration.feedForwardSize),
        ]
    }
}

/// Memory for rows of whichever kind a layer's weights read.
private struct RowBuffer {
    let base: UnsafeMutableRawPointer
    let rowCount: Int
    let columnCount: Int

    init(_ base: UnsafeMutablePointer<Float>, rowCount: Int, columnCount: Int) {
        self.base = UnsafeMutableRawPointer(base)
        self.rowCount = rowCount
        self.columnCount = columnCount
    }

    func rows(_ kind: RowKind) -> ActivationRows {
        ActivationRows(base, kind: kind, rowCount: rowCount, columnCount: columnCount)
    }
}

extension ModelConfiguration {
    /// Elements of a head that turn; 0 where positions are learned.
    var rotaryDimension: Int { if case .rotary(let rotary) = positions { rotary.dimension } else { 0 } }
}
