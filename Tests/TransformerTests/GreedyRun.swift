import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Transformer

/// One step of a greedy continuation.
struct GreedyStep {
    var token: TokenID
    var logprob: Double
    /// Best logit minus the second best.
    var margin: Double
}

/// Drives a runner by hand: one sequence, blocks in a scattered order, prompt cut into chunks.
struct SequenceDriver {
    let runner: ModelRunner
    private let contextCount: Int
    private let blockSize: Int
    private let blocks: [Int32]

    init(
        _ checkpoint: Checkpoint, contextCount: Int = 256, threadCount: Int = 1, precision: ModelPrecision = .exact,
        instructionSet: String? = nil, loading: WeightLoading = WeightLoading()
    ) throws {
        // Keys and values of 16 bits or less come in blocks of 16.
        blockSize = precision.cache == .f32 ? 4 : 16
        let blockCount = contextCount / blockSize
        self.contextCount = contextCount
        runner = try ModelRunner(
            checkpoint,
            capacity: RunnerCapacity(
                tokenCount: contextCount, logitsCount: contextCount, contextCount: contextCount,
                blockCount: blockCount, blockSize: blockSize),
            threadCount: threadCount, precision: precision,
            instructionSet: instructionSet.flatMap { .init(rawValue: $0) }, loading: loading)
        // 7 is coprime to every power of two: all blocks, in no order.
        blocks = (0..<blockCount).map { Int32($0 * 7 % blockCount) }
    }

    /// Logits after each of `tokens[range]` (or after the last one), computed in chunks.
    func logits(_ tokens: [TokenID], from start: Int = 0, chunk: Int = .max, everyPosition: Bool = false) -> [[Float]] {
        var result: [[Float]] = []
        var plan = BatchPlan()
        var position = start
        while position < tokens.count {
            let end = min(tokens.count, position + min(chunk, tokens.count))
            let wanted = everyPosition ? position..<end : (end == tokens.count ? end - 1..<end : end..<end)
            plan.removeAll()
            plan.appendRow(
                tokens: tokens, range: position..<end, blockTable: blocks, blockSize: blockSize,
                wantsLogits: wanted)
            let logits = runner.forward(plan)
            for row in 0..<logits.rowCount { result.append(Array(logits.row(row))) }
            position = end
        }
        return result
    }

    func greedy(_ prompt: [TokenID], count: Int, chunk: Int = .max) -> [GreedyStep] {
        var tokens = prompt
        var steps: [GreedyStep] = []
        var row = logits(tokens, chunk: chunk).last ?? []
        while steps.count < count {
            let step = greedyStep(row)
            steps.append(step)
            tokens.append(step.token)
            if steps.count < count { row = logits(tokens, from: tokens.count - 1).last ?? [] }
        }
        return steps
    }
}

func logSumExp(_ row: [Float]) -> Double {
    let maximum = Double(row.max() ?? 0)
    return maximum + log(row.reduce(0) { $0 + exp(Double($1) - maximum) })
}

func greedyStep(_ row: [Float]) -> GreedyStep {
    var best = 0
    for index in row.indices where row[index] > row[best] { best = index }
    let second = row.indices.filter { $0 != best }.map { row[$0] }.max() ?? 0
    return GreedyStep(
        token: TokenID(best), logprob: Double(row[best]) - logSumExp(row), margin: Double(row[best] - second))
}

/// A reference file as Foundation reads it: tests are the only place where that is good enough.
func readJSON(_ url: URL) throws -> [String: Any] {
    guard let object = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] else {
        throw CocoaError(.fileReadCorruptFile)
    }
    return object
}

func tokenIDs(_ value: Any?) -> [TokenID] { (value as? [NSNumber] ?? []).map(\.int32Value) }

func doubles(_ value: Any?) -> [Double] { (value as? [NSNumber] ?? []).map(\.doubleValue) }
