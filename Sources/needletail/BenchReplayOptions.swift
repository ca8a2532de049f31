import ArgumentParser
import Engine
import Foundation
import Tokenization

/// A trace of requests, and how it is served on paper.
struct ReplayOptions: ParsableArguments {
    @Option(help: "A trace: JSON lines as Mooncake's, JSON lines with t, prompt_tokens, max_tokens, or Azure's CSV.")
    var trace: String?

    @Option(help: "Divides all lengths; 1, 2, 4, 8, 16 or 32 where the trace tells prefixes.")
    var scale = 1

    @Option(help: "Time runs so many times faster.")
    var speed = 1.0

    @Option(help: "Blocks of the KV cache, instead of its memory.")
    var blocks: Int?

    @Flag(help: "A KV cache that never fills.")
    var unbounded = false

    @Flag(help: "Search the smallest KV cache that hits nine tenths of what one without bound does.")
    var sweep = false

    @Option(help: "Microseconds of a step, however small. The costs are those of the story model on two cores.")
    var stepUs = 200.0

    @Option(help: "Microseconds that a token of a prompt adds.")
    var promptTokenUs = 65.0

    @Option(help: "Microseconds that a next token adds.")
    var nextTokenUs = 95.0

    @Option(help: "Nanoseconds that each token of the context adds to each of these.")
    var contextTokenNs = 500.0

    func validate() throws {
        try check("--scale", scale, 1...65_536)
        try check("--speed", speed, 0.001...1_000_000)
        try check("--blocks", blocks, 1...100_000_000)
        try check("--step-us", stepUs, 0...60_000_000)
        try check("--prompt-token-us", promptTokenUs, 0...60_000_000)
        try check("--next-token-us", nextTokenUs, 0...60_000_000)
        try check("--context-token-ns", contextTokenNs, 0...60_000_000)
    }

    /// - Throws: `ValidationError` for what would be ignored.
    func checkUse() throws {
        let sizes = [("--blocks", blocks != nil), ("--unbounded", unbounded), ("--sweep", sweep)].filter(\.1).map(\.0)
        guard sizes.count < 2 else {
            throw ValidationError("\(sizes.joined(separator: " and ")) contradict each other; give one of them")
        }
        guard trace == nil, let unused = sizes.first ?? (scale != 1 ? "--scale" : speed != 1 ? "--speed" : nil) else {
            return
        }
        throw ValidationError("\(unused) is for a --trace")
    }

    private var cost: SimulationCost {
        SimulationCost(
            step: stepUs * 1000, promptToken: promptTokenUs * 1000, nextToken: nextTokenUs * 1000,
            contextToken: contextTokenNs)
    }
}

// MARK: - Running

extension ReplayOptions {
    func run(_ path: String, _ modelOptions: ModelOptions, _ tokenizer: Tokenizer) async throws {
        let workload = try Self.read(path)
        guard !workload.tellsPrefixes || SimulationWorkload.prefixScales.contains(scale) else {
            throw StartError(
                "--scale has to be one of \(SimulationWorkload.prefixScales) for a trace that tells prefixes")
        }
        let scaled = workload.scaled(by: scale, speed: speed)
        let (sizes, blockByteCount) = try sizes(modelOptions, scaled)
        let bench = ReplayBench(
            workload: scaled, sizes: sizes, cost: cost, tokenizer: tokenizer, blockByteCount: blockByteCount)
        Console.put(Array((sweep ? await bench.sweep() : await bench.single()).utf8))
    }

    /// - Source: traces of a million requests are 300 MB.
    private static let maxByteCount = 1 << 30

    private static func read(_ path: String) throws(StartError) -> SimulationWorkload {
        guard let data = FileManager.default.contents(atPath: path) else { throw StartError("cannot read \(path)") }
        guard data.count <= maxByteCount else { throw StartError("\(path) is larger than \(maxByteCount) bytes") }
        do throws(SimulationWorkloadError) { return try SimulationWorkloadReader.read([UInt8](data)) } catch {
            throw StartError("\(path), \(error)")
        }
    }

    /// The engine's sizes, and the bytes of a block. A context may be longer than the model's own: nothing is computed.
    private func sizes(
        _ modelOptions: ModelOptions, _ workload: SimulationWorkload
    ) throws -> (EngineConfiguration, Int) {
        var options = modelOptions
        options.context = nil
        let model = try LoadedModel(options)
        var sizes = model.engineConfiguration
        let blockByteCount = model.memoryPlan.cache / sizes.blockCount
        sizes.contextCount = modelOptions.context ?? sizes.contextCount
        if let blocks { sizes.blockCount = blocks }
        if unbounded { sizes.blockCount = Self.unboundedBlockCount(workload, sizes) }
        return (sizes, blockByteCount)
    }

    static func unboundedBlockCount(_ workload: SimulationWorkload, _ sizes: EngineConfiguration) -> Int {
        let needed = workload.entries.reduce(1) {
            $0 + min($1.promptTokenCount + $1.generatedTokenCount, sizes.contextCount) / sizes.blockSize + 1
        }
        return max(1, needed)
    }
}
