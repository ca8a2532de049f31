import InferenceTypes
import Sampling
import Testing
import Transformer

@testable import Engine

/// Stands in for the model: its logits are a hash of the whole context, read back from where the plan said that K and V
/// are. A wrong slot, table, position or a block shared by mistake changes every token that follows.
final class ScriptedModel {
    struct Failure: Error {}

    struct Step: Equatable {
        var tokenCount: Int
        /// Tokens of each row.
        var rowCounts: [Int]
        var logitsCount: Int
    }

    private(set) var steps: [Step] = []
    /// Steps that throw, by number from 0.
    var failingSteps: Set<Int> = []
    /// A context that begins with one of these gets a row of NaN, or one masked whole.
    var nanPrompts: Set<TokenID> = []
    var maskedPrompts: Set<TokenID> = []
    private let blockSize: Int
    private let vocabulary: [TokenID]
    private var memory: [TokenID]

    init(_ configuration: EngineConfiguration, vocabulary: [TokenID] = ScriptedModel.everyToken) {
        blockSize = configuration.blockSize
        self.vocabulary = vocabulary
        memory = Array(repeating: -1, count: configuration.blockCount * configuration.blockSize)
    }

    static let everyToken = Array(0..<TokenID(TestTokenizer.vocabularyCount))

    func forward(_ plan: BatchPlan) throws -> Logits {
        let rowCounts = zip(plan.rowStarts, plan.rowStarts.dropFirst()).map { Int($1 - $0) }
        steps.append(
            Step(tokenCount: plan.tokenCount, rowCounts: rowCounts, logitsCount: plan.logitsIndices.count))
        guard !failingSteps.contains(steps.count - 1) else { throw Failure() }
        let written = plan.slots.filter { $0 != BatchPlan.storedSlot }
        #expect(Set(written).count == written.count, "two tokens share a slot")
        for copy in plan.blockCopies {
            let (source, destination) = (Int(copy.source) * blockSize, Int(copy.destination) * blockSize)
            for offset in 0..<blockSize { memory[destination + offset] = memory[source + offset] }
        }
        for (slot, token) in zip(plan.slots, plan.tokens) where slot != BatchPlan.storedSlot {
            memory[Int(slot)] = token
        }
        let rows = plan.logitsIndices.map { index in
            let row = plan.rowStarts.lastIndex { $0 <= index } ?? 0
            return logits(after: context(of: row, in: plan, count: Int(plan.positions[Int(index)]) + 1))
        }
        return Logits(rows: rows)
    }

    private func context(of row: Int, in plan: BatchPlan, count: Int) -> [TokenID] {
        let table = plan.blockTables[Int(plan.blockTableStarts[row])..<Int(plan.blockTableStarts[row + 1])]
        return (0..<count).map { position in
            let block = Int(table[table.startIndex + position / blockSize])
            return memory[block * blockSize + position % blockSize]
        }
    }

    func logits(after context: [TokenID]) -> [Float] {
        let hash = context.reduce(UInt64(context.count)) { SplitMix.mix($0 &+ UInt64(bitPattern: Int64($1))) }
        let isNaN = nanPrompts.contains(context[0])
        var row = Array(repeating: isNaN ? Float.nan : -.infinity, count: TestTokenizer.vocabularyCount)
        guard !isNaN, !maskedPrompts.contains(context[0]) else { return row }
        for token in vocabulary { row[Int(token)] = Float(SplitMix.mix(hash &+ UInt64(token)) >> 40) * 0x1p-22 }
        return row
    }

    /// The tokens that a request gets when nothing else exists: no batch, no blocks, no chunks.
    func plainTokens(_ request: GenerationRequest, choice: Int = 0) -> [TokenID] {
        guard case .sampling(let parameters, _) = request.mode else { return [] }
        var tokens = request.promptTokens
        var sampler = Sampler()
        while tokens.count < request.promptTokens.count + request.stop.maxTokens {
            let context = DecodingContext(
                tokens: tokens, promptCount: request.promptTokens.count, ends: [TestTokenizer.endOfSequence])
            let drawn = logits(after: tokens).withUnsafeBufferPointer {
                sampler.sample(ScoreRow($0), parameters, request.processing, context, choice: choice)
            }
            guard case .token(let token) = drawn else { break }
            tokens.append(token)
            if token == TestTokenizer.endOfSequence { break }
        }
        return Array(tokens[request.promptTokens.count...])
    }
}
