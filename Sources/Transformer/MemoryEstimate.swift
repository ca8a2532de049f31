package import Checkpoints

/// What serving a model takes, in bytes.
package struct MemoryEstimate: Sendable, Equatable {
    /// Weights, mapped from the file: page cache that the kernel may take back.
    package var weightByteCount: Int
    /// K and V of one block, all layers.
    package var blockByteCount: Int
    /// K and V of one sequence as long as the context.
    package var contextByteCount: Int

    package init(_ checkpoint: Checkpoint, contextCount: Int, blockSize: Int) {
        weightByteCount = checkpoint.weights.totalByteCount
        blockByteCount = KVCache.blockByteCount(checkpoint.configuration, blockSize: blockSize)
        contextByteCount = blockByteCount * ((contextCount + blockSize - 1) / blockSize)
    }
}
