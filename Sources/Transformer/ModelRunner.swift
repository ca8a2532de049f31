package import Checkpoints
import InferenceTypes
package import Kernels

/// Sizes that the runner allocates for.
package struct RunnerCapacity: Sendable, Equatable {
    /// Tokens of one step at most.
    package var tokenCount: Int
    /// Positions of one step that may want logits.
    package var logitsCount: Int
    /// Positions of one sequence at most.
    package var contextCount: Int
    package var blockCount: Int
    package var blockSize: Int

    package init(tokenCount: Int, logitsCount: Int, contextCount: Int, blockCount: Int, blockSize: Int) {
        self.tokenCount = tokenCount
        self.logitsCount = logitsCount
        self.contextCount = contextCount
        self.blockCount = blockCount
        self.blockSize = blockSize
    }
}

/// Weights, KV storage, and one forward pass for one plan. Confined to the engine thread; allocates nothing in `forward`
/// once the logits have grown to their largest.
package final class ModelRunner {
    private let configuration: ModelConfiguration
    private let capacity: RunnerCapacity
    private let weights: ModelWeights
    private let layers: [Layer]
    private let workers: Workers
    private let cache: KVCache
    private let activations: Activations
    private let angles: RotaryAngles?
    private let logits: Logits
    private var tokenRows: [Int32]
    private let compute: ComputeType
    private var observer: ProjectionObserver?

    /// - Parameter loading: where weights come from, and who hears of it.
    /// - Throws: `CheckpointError` for missing weights, `WorkersError` for threads and memory.
    package init(
        _ checkpoint: Checkpoint, capacity: RunnerCapacity, threadCount: Int, precision: ModelPrecision = .exact,
        instructionSet: InstructionSet? = nil, loading: WeightLoading = WeightLoading()
    ) throws {
        configuration = checkpoint.configuration
        compute = precision.compute
        self.capacity = capacity
        workers = try Workers(
            threadCount: threadCount,
            scratchFloatCount: Self.scratchFloatCount(configuration, capacity, precision.cache),
            instructionSet: instructionSet)
        weights = try ModelWeights(checkpoint, precision: precision, workers: workers, loading: loading)
        cache = try KVCache(configuration, capacity, type: precision.cache)
        activations = Activations(
            configuration, tokenCapacity: capacity.tokenCount, logitsCapacity: capacity.logitsCount)
        layers = weights.layers.enumerated().map { [activations, configuration] index, weights in
            Layer(weights, index: index, activations, configuration)
        }
        if case .rotary(let rotary) = configuration.positions {
            angles = RotaryAngles(rotary, frequencyFactors: weights.frequencyFactors)
        } else {
            angles = nil
        }
        logits = Logits(vocabularyCount: configuration.vocabularyCount)
        tokenRows = [Int32](repeating: 0, count: capacity.tokenCount)
    }

    /// Floats of scratch for each thread.
    static func scratchFloatCount(
        _ configuration: ModelConfiguration, _ capacity: RunnerCapacity, _ cache: CacheType
    ) -> Int {
        let attention = Workers.attentionScratch(
            contextCount: capacity.contextCount,
            headsPerKeyValueHead: configuration.queryHeadCount / configuration.keyValueHeadCount,
            headDimension: configuration.headDimension, type: cache)
        return max(attention, Workers.normScratch(columnCount: configuration.hiddenSize))
    }

    /// The instructions in use.
    package var instructionSet: String { workers.instructionSet }

    /// Lets somebody hear what products read, from the next step on; nobody when nil.
    ///
    /// - Requires: everything is computed in floats; bytes and bfloats are not what a product's input is, but what is left
    ///   of it.
    package func observe(_ observer: ProjectionObserver?) {
        precondition(observer == nil || compute == .f32)
        self.observer = observer
    }

    private var layerForward: LayerForward {
        LayerForward(configuration: configuration, workers: workers, activations: activations, observer: observer)
    }

    /// Computes the plan's tokens, writes their K and V to their slots, and gives the logits that it asks for.
    ///
    /// - Shapes: `[plan.logitsIndices.count, vocabulary]`, valid until the next call.
    /// - Requires: the plan fits `RunnerCapacity`, ids lie inside the vocabulary.
    package func forward(_ plan: BatchPlan) -> Logits {
        precondition(plan.tokenCount <= capacity.tokenCount && plan.logitsIndices.count <= capacity.logitsCount)
        cache.copy(plan.blockCopies)
        embed(plan)
        for row in 0..<plan.rowCount {
            for token in plan.rowStarts[row]..<plan.rowStarts[row + 1] { tokenRows[Int(token)] = Int32(row) }
        }
        runLayers(plan)
        return project(plan)
    }

    private func embed(_ plan: BatchPlan) {
        let hidden = activations.hidden.first(plan.tokenCount)
        plan.tokens.withUnsafeBufferPointer { tokens in
            switch weights.embedding {
            case .table(let table): workers.gather(table, rows: tokens, into: hidden)
            case .head: workers.gather(weights.head, rows: tokens, into: hidden)
            }
        }
        if let table = weights.positionEmbedding {
            let positions = activations.positions.first(plan.tokenCount)
            plan.positions.withUnsafeBufferPointer { workers.gather(table, rows: $0, into: positions) }
            for index in 0..<plan.tokenCount * configuration.hiddenSize { hidden.base[index] += positions.base[index] }
        }
        angles?.fill(plan.positions, cosines: activations.cosines, sines: activations.sines)
    }

    private func runLayers(_ plan: BatchPlan) {
        let layerForward = layerForward
        plan.withPlaces(tokenRows: tokenRows) { places, slots in
            for (layer, storage) in zip(layers, cache.layers) {
                layerForward.run(layer, cache: storage, tokenCount: plan.tokenCount, slots: slots, at: places)
            }
        }
    }

    /// Final norm and head, for the wanted positions only.
    private func project(_ plan: BatchPlan) -> Logits {
        let count = plan.logitsIndices.count
        logits.resize(rowCount: count)
        guard count > 0, let base = logits.mutableRow(0).baseAddress else { return logits }
        let width = configuration.hiddenSize
        let selected = activations.selected.first(count)
        for (index, token) in plan.logitsIndices.enumerated() {
            (selected.base + index * width).update(from: activations.hidden.base + Int(token) * width, count: width)
        }
        let states = activations.states.first(count)
        let input = activations.input(weights.head.inputKind)
        layerForward.norm(selected, weights.finalNorm, into: input, floats: states)
        observer?(ProjectionInput(site: .head, layer: nil, rows: input.floatRows(count)))
        logits.lend(states: UnsafeBufferPointer(start: states.base, count: count * width))
        workers.project(
            input, weights.head, into: FloatRows(base, rowCount: count, columnCount: configuration.vocabularyCount))
        logits.findPeaks(workers)
        return logits
    }
}

extension BatchPlan {
    /// The plan's arrays as the kernels read them. Not called for an empty plan.
    fileprivate func withPlaces(
        tokenRows: [Int32], _ body: (AttentionPlaces, _ slots: UnsafePointer<Int32>) -> Void
    ) {
        withBases(positions, tokenRows, slots) { positions, tokenRows, slots in
            withBases(blockTables, blockTableStarts, blockTableStarts) { blockTables, blockTableStarts, _ in
                let places = AttentionPlaces(
                    positions: positions, tokenRows: tokenRows, blockTables: blockTables,
                    blockTableStarts: blockTableStarts)
                body(places, slots)
            }
        }
    }

    private typealias Base = UnsafePointer<Int32>

    private func withBases(_ a: [Int32], _ b: [Int32], _ c: [Int32], _ body: (Base, Base, Base) -> Void) {
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                c.withUnsafeBufferPointer { c in
                    guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
                    body(a, b, c)
                }
            }
        }
    }
}
