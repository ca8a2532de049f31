import Checkpoints
import Kernels

/// Keys and values of all layers in blocks. Holds floats and never sees a request; which block is whose is the block
/// pool's to know.
final class KVCache {
    let layers: [KeyValueLayer]
    private let arena: Arena
    private let starts: [UnsafeMutablePointer<Float>]
    private let blockFloatCount: Int

    init(_ configuration: ModelConfiguration, blockCount: Int, blockSize: Int) {
        let blockFloatCount = configuration.keyValueSize * blockSize
        let layerFloatCount = Arena.footprint(blockFloatCount * blockCount)
        let arena = Arena(capacity: layerFloatCount * configuration.layerCount * 2)
        let starts = (0..<configuration.layerCount * 2).map { _ in arena.allocate(layerFloatCount) }
        layers = (0..<configuration.layerCount).map {
            KeyValueLayer(
                keys: starts[2 * $0], values: starts[2 * $0 + 1], blockSize: blockSize,
                keyValueHeadCount: configuration.keyValueHeadCount, headDimension: configuration.headDimension)
        }
        self.arena = arena
        self.starts = starts
        self.blockFloatCount = blockFloatCount
    }

    /// Bytes of one block: K and V of all layers.
    static func blockByteCount(_ configuration: ModelConfiguration, blockSize: Int) -> Int {
        configuration.keyValueSize * blockSize * configuration.layerCount * 2 * MemoryLayout<Float>.stride
    }

    /// Copies whole blocks, in order: copy on write.
    func copy(_ copies: [BatchPlan.BlockCopy]) {
        for copy in copies {
            for start in starts {
                (start + Int(copy.destination) * blockFloatCount)
                    .update(from: start + Int(copy.source) * blockFloatCount, count: blockFloatCount)
            }
        }
    }
}
