import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing
import Transformer

/// One row, one answer: the bits of a row's logits depend on nothing but the row.
@Suite("One row, one answer")
struct InvarianceTests {
    private static func checkpoint(_ name: String = "llama-gqa/model-q8_0.gguf") throws -> Checkpoint {
        try Checkpoint.open(path: SharedData.fixture("models/\(name)").path)
    }

    /// What the processor computes fastest, with keys and values of each type.
    static let native = CacheType.allCases.map { ModelPrecision(compute: .native, cache: $0) }

    private static let prompt: [TokenID] = (0..<53).map { TokenID($0 * 37 % 290 + 3) }

    @Test("chunks of 1, 7, 16 and the whole prompt give the same bits", arguments: [1, 7, 16], native)
    func chunks(chunk: Int, precision: ModelPrecision) throws {
        let driver = try SequenceDriver(try Self.checkpoint(), precision: precision)
        let whole = driver.logits(Self.prompt, everyPosition: true)
        #expect(driver.logits(Self.prompt, chunk: chunk, everyPosition: true) == whole)
    }

    @Test("one, two and three threads give the same bits", arguments: ["llama-gqa/hf", "qwen3/hf", "gpt2/hf"], native)
    func threads(name: String, precision: ModelPrecision) throws {
        let alone = try SequenceDriver(try Self.checkpoint(name), precision: precision).logits(Self.prompt)
        for threadCount in [2, 3] {
            #expect(
                try SequenceDriver(
                    try Self.checkpoint(name), threadCount: threadCount, precision: precision
                ).logits(Self.prompt) == alone)
        }
    }

    @Test("every instruction set of this machine gives the same bits", arguments: native)
    func instructionSets(precision: ModelPrecision) throws {
        let portable = try SequenceDriver(try Self.checkpoint(), precision: precision, instructionSet: "portable")
            .logits(Self.prompt)
        for set in InstructionSet.allCases
        where (try? Workers(threadCount: 1, scratchFloatCount: 0, instructionSet: set)) != nil {
            let driver = try SequenceDriver(try Self.checkpoint(), precision: precision, instructionSet: set.rawValue)
            #expect(driver.runner.instructionSet == set.rawValue)
            #expect(driver.logits(Self.prompt) == portable)
        }
    }

    @Test("a row among 32 others gives the bits that it gives alone", arguments: native)
    func batch(precision: ModelPrecision) throws {
        let checkpoint = try Self.checkpoint()
        let alone = try SequenceDriver(checkpoint, precision: precision).logits(Self.prompt)[0]
        let blockSize = 16
        let runner = try ModelRunner(
            checkpoint,
            capacity: RunnerCapacity(
                tokenCount: 1200, logitsCount: 64, contextCount: 64, blockCount: 33 * 4, blockSize: blockSize),
            threadCount: 2, precision: precision)
        var plan = BatchPlan()
        for row in 0..<33 {
            let table = (0..<4).map { Int32($0 * 33 + row) }
            let tokens = row == 19 ? Self.prompt : (0..<row + 5).map { TokenID(($0 * 11 + row) % 300) }
            plan.appendRow(
                tokens: tokens, range: 0..<tokens.count, blockTable: table, blockSize: blockSize,
                wantsLogits: tokens.count - 1..<tokens.count)
        }
        #expect(Array(runner.forward(plan).row(19)) == alone)
    }

    @Test("a copied block holds what its source held", arguments: native + [.exact])
    func blockCopy(precision: ModelPrecision) throws {
        let runner = try ModelRunner(
            try Self.checkpoint(),
            capacity: RunnerCapacity(tokenCount: 32, logitsCount: 2, contextCount: 32, blockCount: 4, blockSize: 16),
            threadCount: 1, precision: precision)
        let tokens: [TokenID] = [5, 9, 40, 41]
        var plan = BatchPlan()
        plan.appendRow(tokens: tokens, range: 0..<3, blockTable: [2], blockSize: 16, wantsLogits: 3..<3)
        _ = runner.forward(plan)
        func last(_ table: [Int32], copies: [BatchPlan.BlockCopy]) -> [Float] {
            var plan = BatchPlan()
            plan.blockCopies = copies
            plan.appendRow(tokens: tokens, range: 3..<4, blockTable: table, blockSize: 16, wantsLogits: 3..<4)
            return Array(runner.forward(plan).row(0))
        }
        let copied = last([1], copies: [.init(source: 2, destination: 1)])
        #expect(copied == last([2], copies: []))
        #expect(copied != last([3], copies: []))
    }
}
