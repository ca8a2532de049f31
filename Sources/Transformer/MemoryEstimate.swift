package import Checkpoints

/// What serving a model takes, in bytes.
package struct MemoryEstimate: Sendable, Equatable {
    /// Weights in panels, in memory or mapped from a file that holds them. An embedding that is not the head, too, stays in
    /// the file: page cache that the kernel may take back.
    package var weightByteCount: Int
    /// Matrices that are quantised while they are packed.
    package var quantizedMatrixCount: Int
    /// K and V of one block, all layers.
    package var blockByteCount: Int
    /// K and V of one sequence as long as the context.
    package var contextByteCount: Int

    /// - Throws: where a weight is missing.
    package init(_ checkpoint: Checkpoint, contextCount: Int, blockSize: Int, precision: ModelPrecision)
        throws(CheckpointError)
    {
        let plan = try PackingPlan(checkpoint, precision)
        weightByteCount = plan.byteCount
        quantizedMatrixCount = try plan.quantizedCount(checkpoint)
        blockByteCount = KVCache.blockByteCount(checkpoint.configuration, blockSize: blockSize, type: precision.cache)
        contextByteCount = blockByteCount * ((contextCount + blockSize - 1) / blockSize)
    }

    /// What a step of the largest size works in, beside the KV cache: activations, logits, scratch of the threads.
    package static func workingByteCount(
        _ configuration: ModelConfiguration, _ capacity: RunnerCapacity, _ precision: ModelPrecision, threadCount: Int
    ) -> Int {
        let activations = Activations.floatCount(
            configuration, tokenCapacity: capacity.tokenCount, logitsCapacity: capacity.logitsCount)
        let scratch = ModelRunner.scratchFloatCount(configuration, capacity, precision.cache) * threadCount
        let partials = KVCache.partialFloatCount(configuration, contextCount: capacity.contextCount)
        let logits = configuration.vocabularyCount * capacity.logitsCount
        return (activations + scratch + partials + logits) * MemoryLayout<Float>.stride
    }
}
