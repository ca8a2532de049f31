import ArgumentParser
import CKernels
import Checkpoints
import CompletionsAPI
import InferenceTypes

/// `needletail bench kernels`: each operation by itself, on the shapes of a model, beside the roofline of the moment.
struct BenchKernelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels", abstract: "Each operation, element type and shape, beside the roofline.",
        discussion: """
            Weights come from memory: so many copies are read in turn that the caches hold none. The roofline is the \
            longer of the bytes by the bandwidth and the operations by the peak of their unit, both measured before and \
            after each row. Types in blocks of 32 can reach 80 % of the peak on Zen 4: a scale for each block costs a \
            multiplication and an addition beside eight products.
            """)

    enum Operation: String, ExpressibleByArgument, CaseIterable {
        case project, norm, attention, vocabulary
    }

    @Option(help: "A model whose shapes and types are taken; those of Qwen2.5-0.5B and Llama-3.2-1B when absent.")
    var model: String?

    @Option(help: "Element types of the weights, where no model says them.")
    var types = "Q8_0,Q4_0,BF16"

    @Option(help: "Rows of activations, or sequences.")
    var rows = CountList([1, 4, 8, 16, 32, 128])

    @Option(
        parsing: .upToNextOption, help: "Operations: \(Operation.allCases.map(\.rawValue).joined(separator: ", ")).")
    var ops = Operation.allCases

    @Option(help: "Contexts that attention is measured at.")
    var contexts = CountList([256, 8192])

    @Option(help: "Element type of the KV cache.")
    var kvType = "BF16"

    @Option(help: "Seconds of each row of the table.")
    var seconds = 0.2

    @Option(help: "Threads; the processors that this program may use when absent.")
    var threads: Int?

    @Option(help: "A set of kernels; the best that this processor has when absent.")
    var cpuFeatures: String?

    @Option(help: "Memory that is read to measure its bandwidth, in MiB.")
    var rooflineMib = RooflineProbe.standardMebibytes

    @Flag(help: "A document instead of a table.")
    var json = false

    func validate() throws {
        try rows.check("--rows", 1...4096)
        try contexts.check("--contexts", 1...1_048_576)
        try check("--seconds", seconds, 0...3600)
        try check("--threads", threads, 1...512)
        try check("--roofline-mib", rooflineMib, 1...65_536)
        _ = try Self.elementTypes(types)
        _ = try Self.elementTypes(kvType)
    }

    func run() throws {
        let report = try report()
        Console.put(json ? JSONWriter.bytes(of: report.document) + [0x0A] : Array(report.text.utf8))
    }

    private static func elementTypes(_ text: String) throws -> [ElementType] {
        try text.split(separator: ",").map { name in
            guard let type = ElementType.allCases.first(where: { $0.name.lowercased() == name.lowercased() }) else {
                throw ValidationError("\(name) is no element type")
            }
            return type
        }
    }

    /// Measures.
    func report() throws -> BenchKernelsReport {
        let shapes = try model.map { try BenchModelShapes(path: $0) } ?? .standard(try Self.elementTypes(types))
        let threadCount = threads ?? MachineLimits.processorCount
        guard
            let workers = BenchKernels.startWorkers(
                threadCount: threadCount, scratchFloatCount: scratchFloatCount(shapes), features: cpuFeatures)
        else { throw StartError("cannot start \(threadCount) threads" + (cpuFeatures.map { " with \($0)" } ?? "")) }
        defer { BenchKernels.endWorkers(workers) }
        var bench = BenchKernels(
            workers: workers, seconds: seconds,
            probe: RooflineProbe(mebibytes: rooflineMib, threadCount: threadCount))
        let kvType = try Self.elementTypes(self.kvType).first ?? .bf16
        if ops.contains(.project) { try bench.products(shapes.matrices, rowCounts: rows.counts) }
        if ops.contains(.norm) { try bench.norms(shapes.widths, rowCounts: rows.counts) }
        if ops.contains(.attention) {
            try bench.attention(shapes.attentions, kvType, contexts: contexts.counts, rowCounts: rows.counts)
        }
        if ops.contains(.vocabulary) { try bench.draws(shapes.vocabularies, rowCounts: rows.counts) }
        return BenchKernelsReport(
            machine: .current(threadCount: threadCount), kernels: String(cString: nt_workers_features(workers)),
            shapes: shapes.name, results: bench.results)
    }

    private func scratchFloatCount(_ shapes: BenchModelShapes) -> Int {
        let norms = shapes.widths.map { nt_norm_scratch(Int64($0)) }
        let attentions = shapes.attentions.map { shape in
            nt_attention_scratch(
                ElementType.f32.rawValue, Int64(shape.headDimension), Int64(shape.headCount / shape.keyValueHeadCount),
                Int64(max(contexts.most, rows.most)))
        }
        return (norms + attentions).max() ?? 0
    }
}

/// What `bench kernels` measures on.
struct BenchModelShapes: Sendable {
    var name: String
    var matrices: [BenchMatrixShape]
    /// Of rows that norms take.
    var widths: [Int]
    var attentions: [BenchAttentionShape]
    var vocabularies: [Int]

    /// Qwen2.5-0.5B and Llama-3.2-1B. Q, K and V are one product, gate and up another.
    static func standard(_ types: [ElementType]) -> BenchModelShapes {
        let rows: [(String, Int, Int, Bool)] = [
            ("q, k, v", 1152, 896, false), ("output", 896, 896, false), ("gate, up", 9728, 896, true),
            ("down", 896, 4864, false), ("head", 151_936, 896, false), ("q, k, v", 3072, 2048, false),
            ("output", 2048, 2048, false), ("gate, up", 16_384, 2048, true), ("down", 2048, 8192, false),
            ("head", 128_256, 2048, false),
        ]
        return BenchModelShapes(
            name: "shapes of Qwen2.5-0.5B and Llama-3.2-1B",
            matrices: types.flatMap { type in
                rows.filter { $0.2 % type.blockElementCount == 0 }.map {
                    BenchMatrixShape(name: $0.0, type: type, rowCount: $0.1, columnCount: $0.2, isGated: $0.3)
                }
            },
            widths: [896, 2048],
            attentions: [
                BenchAttentionShape(headCount: 14, keyValueHeadCount: 2, headDimension: 64),
                BenchAttentionShape(headCount: 32, keyValueHeadCount: 8, headDimension: 64),
            ], vocabularies: [151_936, 128_256])
    }

    init(
        name: String, matrices: [BenchMatrixShape], widths: [Int], attentions: [BenchAttentionShape],
        vocabularies: [Int]
    ) {
        (self.name, self.matrices, self.widths) = (name, matrices, widths)
        (self.attentions, self.vocabularies) = (attentions, vocabularies)
    }

    /// Those of a model: each shape and type once.
    init(path: String) throws(StartError) {
        let checkpoint: Checkpoint
        do throws(CheckpointError) { checkpoint = try Checkpoint.open(path: path) } catch {
            throw StartError("cannot open the model: \(error)")
        }
        let configuration = checkpoint.configuration
        var matrices: [BenchMatrixShape] = []
        func add(_ name: String, _ views: [WeightView?], isGated: Bool = false) {
            let views = views.compactMap { $0 }
            guard let first = views.first, views.allSatisfy({ $0.elementType == first.elementType }) else {
                // Types differ: each by itself.
                for view in views { add(name, [view]) }
                return
            }
            let shape = BenchMatrixShape(
                name: name, type: first.elementType, rowCount: views.reduce(0) { $0 + $1.outputCount },
                columnCount: first.inputCount, isGated: isGated && views.count == 2)
            if !matrices.contains(shape) { matrices.append(shape) }
        }
        for layer in 0..<configuration.layerCount {
            add("q, k, v", [.query, .key, .value].map { checkpoint.weight($0, layer: layer) })
            add("output", [checkpoint.weight(.attentionOutput, layer: layer)])
            add("gate, up", [.gate, .up].map { checkpoint.weight($0, layer: layer) }, isGated: true)
            add("down", [checkpoint.weight(.down, layer: layer)])
        }
        add("head", [checkpoint.weight(.head)])
        self.init(
            name: "shapes of \(checkpoint.fileName)", matrices: matrices, widths: [configuration.hiddenSize],
            attentions: [
                BenchAttentionShape(
                    headCount: configuration.queryHeadCount, keyValueHeadCount: configuration.keyValueHeadCount,
                    headDimension: configuration.headDimension)
            ], vocabularies: [configuration.vocabularyCount])
    }
}
