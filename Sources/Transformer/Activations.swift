import Checkpoints
import Kernels

/// The buffers of a step, allocated once for the largest one.
///
/// - Shapes: T = `tokenCapacity`; hidden `[T, hidden]`, queries and attended `[T, query heads × head dimension]`, keys and
///   values `[T, KV heads × head dimension]`, gate and up `[T, feed forward]`, cosines and sines `[T, pairs]`,
///   selected `[L, hidden]`.
struct Activations {
    let hidden, normed, queries, keys, values, attended, gate, up, selected: FloatRows
    let cosines, sines: UnsafeMutablePointer<Float>
    private let arena: Arena

    init(_ configuration: ModelConfiguration, tokenCapacity: Int, logitsCapacity: Int) {
        let arena = Arena(
            capacity: Self.floatCount(
                configuration, tokenCapacity: tokenCapacity, logitsCapacity: logitsCapacity))
        let rows = Self.widths(configuration).map { arena.allocateRows(tokenCapacity, $0) }
        (hidden, normed, queries, keys, values) = (rows[0], rows[1], rows[2], rows[3], rows[4])
        (attended, gate, up, cosines, sines) = (rows[5], rows[6], rows[7], rows[8].base, rows[9].base)
        selected = arena.allocateRows(logitsCapacity, configuration.hiddenSize)
        self.arena = arena
    }

    /// Floats of all buffers together.
    static func floatCount(_ configuration: ModelConfiguration, tokenCapacity: Int, logitsCapacity: Int) -> Int {
        widths(configuration).map { Arena.footprint($0 * tokenCapacity) }.reduce(0, +)
            + Arena.footprint(configuration.hiddenSize * logitsCapacity)
    }

    /// Floats of a token in each buffer.
    private static func widths(_ configuration: ModelConfiguration) -> [Int] {
        let pairs = configuration.rotaryDimension / 2
        return [
            configuration.hiddenSize, configuration.hiddenSize, configuration.querySize, configuration.keyValueSize,
            configuration.keyValueSize, configuration.querySize, configuration.feedForwardSize,
            configuration.feedForwardSize, pairs, pairs,
        ]
    }
}

extension ModelConfiguration {
    /// Elements of a head that turn; 0 where positions are learned.
    var rotaryDimension: Int { if case .rotary(let rotary) = positions { rotary.dimension } else { 0 } }
}
