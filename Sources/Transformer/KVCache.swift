import Checkpoints
import Kernels

/// Keys and values of all layers in blocks. Holds bytes and never sees a request; which block is whose is the block
/// pool's to know.
final class KVCache {
    let layers: [KeyValueLayer]
    private let pages: MemoryPages
    private let partials: Arena
    private let starts: [UnsafeMutableRawPointer]
    private let blockByteCount: Int

    /// Floats that attention may use to cut long contexts for several threads: 16 MB.
    private static let partialFloatLimit = 4 << 20

    /// - Requires: the type can have blocks of this size.
    /// - Throws: where there is no memory for them.
    init(_ configuration: ModelConfiguration, _ capacity: RunnerCapacity, type: CacheType) throws(WorkersError) {
        let blockByteCount = Self.layerByteCount(configuration, blockSize: capacity.blockSize, type: type)
        // Each layer starts at a cache line.
        let layerByteCount = (blockByteCount * capacity.blockCount + 63) / 64 * 64
        guard let pages = MemoryPages(byteCount: layerByteCount * configuration.layerCount),
            let base = pages.bytes.baseAddress
        else {
            throw WorkersError(
                description: "no memory for a KV cache of \(layerByteCount * configuration.layerCount) bytes")
        }
        // Touched now, so that memory stays flat under load.
        pages.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        let partialCount = Self.partialFloatCount(configuration, contextCount: capacity.contextCount)
        let arena = Arena(capacity: Arena.footprint(partialCount))
        let partials = UnsafeMutableBufferPointer(start: arena.allocate(partialCount), count: partialCount)
        let starts = (0..<configuration.layerCount).map { base + $0 * layerByteCount }
        layers = starts.map {
            KeyValueLayer(
                $0, type: type, blockSize: capacity.blockSize, keyValueHeadCount: configuration.keyValueHeadCount,
                headDimension: configuration.headDimension, partials: partials)
        }
        self.pages = pages
        self.partials = arena
        self.starts = starts
        self.blockByteCount = blockByteCount
    }

    /// Floats in which one token's attention over a long context is cut for several threads.
    static func partialFloatCount(_ configuration: ModelConfiguration, contextCount: Int) -> Int {
        min(
            partialFloatLimit,
            Workers.attentionPartials(
                tokenCount: 1, queryHeadCount: configuration.queryHeadCount,
                headDimension: configuration.headDimension, contextCount: contextCount))
    }

    /// Bytes of one block: K and V of all layers.
    static func blockByteCount(_ configuration: ModelConfiguration, blockSize: Int, type: CacheType) -> Int {
        layerByteCount(configuration, blockSize: blockSize, type: type) * configuration.layerCount
    }

    private static func layerByteCount(_ configuration: ModelConfiguration, blockSize: Int, type: CacheType) -> Int {
        guard
            let count = type.blockByteCount(
                blockSize: blockSize, keyValueHeadCount: configuration.keyValueHeadCount,
                headDimension: configuration.headDimension)
        else { preconditionFailure("a \(type.rawValue) cache with blocks of \(blockSize) tokens") }
        return count
    }

    /// Copies whole blocks, in order: copy on write.
    func copy(_ copies: [BatchPlan.BlockCopy]) {
        for copy in copies {
            for start in starts {
                (start + Int(copy.destination) * blockByteCount)
                    .copyMemory(from: start + Int(copy.source) * blockByteCount, byteCount: blockByteCount)
            }
        }
    }
}
