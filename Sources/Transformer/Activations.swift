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
        let pairs = configuration.rotaryDimension / 2
        let widths = [
            configuration.hiddenSize, configuration.hiddenSize, configuration.querySize, configuration.keyValueSize,
            configuration.keyValueSize, configuration.querySize, configuration.feedForwardSize,
            configuration.feedForwardSize, pairs, pairs,
        ]
        let arena = Arena(
            capacity: widths.map { Arena.footprint($0 * tokenCapacity) }.reduce(0, +)
                + Arena.footprint(configuration.hiddenSize * logitsCapacity))
        let rows = widths.map { arena.allocateRows(tokenCapacity, $0) }
        (hidden, normed, queries, keys, values) = (rows[0], rows[1], rows[2], rows[3], rows[4])
        (attended, gate, up, cosines, sines) = (rows[5], rows[6], rows[7], rows[8].base, rows[9].base)
        selected = arena.allocateRows(logitsCapacity, configuration.hiddenSize)
        self.arena = arena
    }
}

extension ModelConfiguration {
    /// Elements of a head that turn; 0 where positions are learned.
    var rotaryDimension: Int { if case .rotary(let rotary) = positions { rotary.dimension } else { 0 } }
}
