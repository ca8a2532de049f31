import Checkpoints
import InferenceTypes
import Kernels
import TestSupport
import Testing
import Transformer

@testable import Engine

/// A real model and real kernels: what is cached, cut, preempted and computed anew is, bit for bit, what one request alone
/// hears.
struct SchedulingParityTests {
    private static func request(_ number: Int, _ random: inout SplitMix, vocabularyCount: Int) -> GenerationRequest {
        // Three openings, so that prefixes are shared; the last tokens are the request's own.
        let first = 7 + number % 3 * 31
        let opening: [TokenID] = (0..<random.below(40)).map { TokenID((first + $0 * 5) % vocabularyCount) }
        let rest: [TokenID] = (0..<1 + random.below(6)).map { _ in TokenID(random.below(vocabularyCount)) }
        let mode: DecodingMode =
            switch number % 5 {
            case 0: .beam(BeamParameters(width: 2 + random.below(3), returnCount: 2), sampling: nil)
            case 1: .contrastive(topK: 3, penaltyAlpha: 0.5)
            case 2: .sampling(SamplingParameters(temperature: 0), choices: 0..<1)
            default:
                .sampling(SamplingParameters(temperature: 1, seed: UInt64(number)), choices: 0..<1 + random.below(3))
            }
        return GenerationRequest(
            promptTokens: opening + rest, mode: mode, stop: StopConditions(maxTokens: 1 + random.below(14)),
            report: GenerationReport(logprobCount: 2, promptLogprobCount: number % 4 == 2 ? number % 3 : nil),
            scheduling: Scheduling(
                priority: random.below(3), account: [UInt8(random.below(3))],
                prefixCaching: number % 7 == 0 ? .isolated : .shared(salt: number % 6 == 0 ? [1] : [])))
    }

    @Test(
        "every mode, in a crowd, with and without prefix cache, for chunks and pools of any size",
        arguments: [
            ("llama-gqa", 7, true, 2), ("llama-gqa", 64, false, 1), ("gpt2", 16, true, 1), ("qwen2", 9, true, 2),
        ])
    func parity(model: String, maxBatchTokens: Int, cachesPrefixes: Bool, threadCount: Int) async throws {
        let bench = try ModelBench(SharedData.fixture("models/\(model)/hf"))
        var random = SplitMix(UInt64(maxBatchTokens))
        let requests = (0..<60).map {
            Self.request($0, &random, vocabularyCount: bench.checkpoint.configuration.vocabularyCount)
        }
        let crowd = try await bench.run(
            requests,
            EngineConfiguration(
                blockSize: 4, blockCount: 48, contextCount: 0, maxBatchTokens: maxBatchTokens, maxScoredTokens: 5,
                maxOvertakes: 3, cachesPrefixes: cachesPrefixes),
            threadCount: threadCount)
        #expect(crowd.statistics.preemptionCount > 0)
        #expect((crowd.statistics.cachedPromptTokenCount > 0) == cachesPrefixes)
        for (request, answers) in zip(requests, crowd.answers) {
            let alone = try await bench.run(
                [request],
                EngineConfiguration(blockSize: 16, blockCount: 64, contextCount: 0, cachesPrefixes: false))
            #expect(alone.answers == [answers], "\(request)")
        }
    }

    @Test(
        "the same as it is served: keys and values of 16 and of 8 bits, products of bytes and of bfloats",
        arguments: [("llama-gqa/model-q8_0.gguf", CacheType.bf16), ("qwen2/hf", .bf16), ("llama-gqa/hf", .q8_0)])
    func native(model: String, cache: CacheType) async throws {
        let bench = try ModelBench(SharedData.fixture("models/\(model)"))
        let precision = ModelPrecision(compute: .native, cache: cache)
        var random = SplitMix(11)
        let requests = (0..<60).map {
            Self.request($0, &random, vocabularyCount: bench.checkpoint.configuration.vocabularyCount)
        }
        let crowd = try await bench.run(
            requests,
            EngineConfiguration(
                blockSize: 16, blockCount: 14, contextCount: 0, maxBatchTokens: 9, maxScoredTokens: 5,
                maxOvertakes: 3),
            threadCount: 2, precision: precision)
        #expect(crowd.statistics.preemptionCount > 0 && crowd.statistics.cachedPromptTokenCount > 0)
        for (request, answers) in zip(requests, crowd.answers) {
            let alone = try await bench.run(
                [request],
                EngineConfiguration(blockSize: 32, blockCount: 32, contextCount: 0, cachesPrefixes: false),
                precision: precision)
            #expect(alone.answers == [answers], "\(request)")
        }
    }

    @Test("a contrastive search that loses its blocks while its prompt is computed goes on where it had looked")
    func contrastivePreempted() async throws {
        let bench = try ModelBench(SharedData.fixture("models/llama-gqa/hf"))
        let search = GenerationRequest(
            promptTokens: (0..<40).map { TokenID(3 + $0 * 7 % 200) }, mode: .contrastive(topK: 2, penaltyAlpha: 0.6),
            stop: StopConditions(maxTokens: 8))
        // A more urgent one comes when a part of the prompt was looked at, and needs the whole pool.
        var urgent = GenerationRequest(
            promptTokens: (0..<57).map { TokenID(5 + $0 * 3) },
            mode: .sampling(SamplingParameters(temperature: 0), choices: 0..<1), stop: StopConditions(maxTokens: 3))
        urgent.scheduling = Scheduling(priority: -1)
        let alone = try await bench.run([search], EngineConfiguration(blockCount: 64, contextCount: 0))
        let together = try await bench.run(
            [search, urgent],
            EngineConfiguration(
                blockSize: 5, blockCount: 12, contextCount: 0, maxBatchTokens: 6, cachesPrefixes: false),
            arrivals: [0, 2])
        #expect(together.answers.first == alone.answers.first)
        #expect(together.statistics.preemptionCount == 1)
    }
}
