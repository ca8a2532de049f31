import TestSupport
import Testing

@testable import Engine

/// A trace in virtual time: what is counted, and what it is counted against.
@Suite("Replay of a trace")
struct SimulationReplayTests {
    private typealias Entry = SimulationWorkload.Entry

    /// A millisecond for a step, and for each token of a prompt.
    private static let cost = SimulationCost(step: 1e6, promptToken: 1e6, nextToken: 0, contextToken: 0)

    private func replay(
        _ entries: [SimulationWorkload.Entry], _ sizes: EngineConfiguration
    ) async throws -> SimulationReplayReport {
        var replay = SimulationReplay(
            SimulationWorkload(entries: entries), sizes, Self.cost, tokenizer: try SimulationTests.tokenizer())
        return await replay.run()
    }

    @Test("one request: its times are those of its steps")
    func single() async throws {
        let sizes = EngineConfiguration(blockCount: 4, contextCount: 64, maxBatchTokens: 8, pacing: .unlimited)
        let report = try await replay(
            [Entry(arrival: 0, promptTokenCount: 20, generatedTokenCount: 3)], sizes)
        #expect(report.servedCount == 1 && report.stepCount == 5 && report.generatedTokenCount == 3)
        #expect(report.queueTimes == [0])
        // Chunks of 8, 8 and 4 tokens, then two steps of one token.
        #expect(report.firstTokenTimes == [23_000_000])
        #expect(report.tokenGaps == [1_000_000, 1_000_000])
        #expect(report.mostHeldBlocks == 2 && report.preemptionCount == 0)
    }

    @Test("requests that fit nowhere, find no place, or wait too long are counted apart")
    func refusals() async throws {
        let sizes = EngineConfiguration(
            blockCount: 4, contextCount: 64, maxRunningSequences: 1, maxWaitingRequests: 2,
            maxQueueTime: .milliseconds(20), pacing: .unlimited)
        let entries = [
            Entry(arrival: 0, promptTokenCount: 63, generatedTokenCount: 2),
            Entry(arrival: 0, promptTokenCount: 10, generatedTokenCount: 50),
            Entry(arrival: 0, promptTokenCount: 10, generatedTokenCount: 1),
            Entry(arrival: 0, promptTokenCount: 10, generatedTokenCount: 1),
        ]
        let report = try await replay(entries, sizes)
        #expect(report.requestCount == 4 && report.tooLongCount == 1)
        #expect(report.refusedCount == 1 && report.timeoutCount == 1 && report.servedCount == 1)
    }

    @Test("with room for everything each request that comes alone hits what a cache without bound has")
    func hits() async throws {
        let sizes = EngineConfiguration(blockCount: 1000, contextCount: 4096, pacing: .unlimited)
        let entries = (0..<6).map { number in
            Entry(
                arrival: UInt64(number) * 10_000_000_000, promptTokenCount: 1536, generatedTokenCount: 4,
                prefixes: [1, 2, Int64(number / 2 + 3)])
        }
        let report = try await replay(entries, sizes)
        #expect(report.cachedPromptTokenCount == 2 * 1024 + 3 * 1535)
        #expect(report.relativeHitRate == 1)
    }

    @Test("a cache that is too small is preempted in, and hits less")
    func small() async throws {
        let sizes = EngineConfiguration(blockCount: 12, contextCount: 192, pacing: .unlimited)
        let entries = (0..<20).map { number in
            Entry(
                arrival: UInt64(number) * 1_000_000, promptTokenCount: 60, generatedTokenCount: 40,
                prefixes: [Int64(number % 5)])
        }
        let report = try await replay(entries, sizes)
        #expect(report.servedCount == 20 && report.generatedTokenCount == 800)
        #expect(report.preemptionCount > 0 && report.relativeHitRate < 1)
        #expect(report.mostHeldBlocks <= 12)
    }

    @Test("percentiles by nearest rank")
    func percentiles() {
        let times = (1...200).map { UInt64($0) }.shuffled()
        #expect(SimulationReplayReport.percentiles(times, [0, 50, 90, 99, 100]) == [1, 100, 180, 198, 200])
        #expect(SimulationReplayReport.percentiles([], [50]) == [0])
    }

    @Test(
        "600 requests of Mooncake's trace, 32 times shorter, hit nine tenths of what is there to hit in 2,048 blocks",
        .enabled(if: SharedData.isAvailable, "needs ../shared/data"))
    func mooncake() async throws {
        let bytes = try SharedData.bytes(SharedData.file("traces/mooncake_conversation_first3000.jsonl"))
        let all = try SimulationWorkloadReader.read(bytes)
        #expect(all.entries.count == 3000)
        let workload = SimulationWorkload(entries: Array(all.entries.prefix(600))).scaled(by: 32, speed: 1)
        let story = SimulationCost(step: 200_000, promptToken: 65_000, nextToken: 95_000, contextToken: 500)
        func report(blockCount: Int) async throws -> SimulationReplayReport {
            var replay = SimulationReplay(
                workload, EngineConfiguration(blockCount: blockCount, contextCount: 512), story,
                tokenizer: try SimulationTests.tokenizer())
            return await replay.run()
        }
        let enough = try await report(blockCount: 2048)
        #expect(enough.servedCount == 432 && enough.tooLongCount == 168)
        #expect(enough.relativeHitRate >= 0.9)
        let little = try await report(blockCount: 512)
        #expect(little.servedCount == 432 && little.relativeHitRate < 0.6)
    }
}
