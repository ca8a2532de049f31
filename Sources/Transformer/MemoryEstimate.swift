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

    /// What a step of the largest size works in, beside the KV cache: activations, logits, scratch of the threads.
    package static func workingByteCount(
        _ configuration: ModelConfiguration, _ capacity: RunnerCapacity, threadCount: Int
    ) -> Int {
        let activations = Activations.floatCount(
            configuration, tokenCapacity: capacity.tokenCount, logitsCapacity: capacity.logitsCount)
        let scratch = ModelRunner.scratchFloatCount(configuration, capacity) * threadCount
        let logits = configuration.vocabularyCount * capacity.logitsCount
        return (activations + scratch + logits) * MemoryLayout<Float>.stride
    }
}
