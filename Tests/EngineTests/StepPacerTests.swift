import Testing

@testable import Engine

struct StepPacerTests {
    /// A machine on which a step costs so much, and each token of a prompt so much.
    private static func run(_ pacer: inout StepPacer, steps: Int, nextTokenCount: Int, base: Int, perToken: Int)
        -> [Int]
    {
        (0..<steps).map { _ in
            let limit = pacer.promptTokenLimit(beside: nextTokenCount)
            pacer.record(
                promptTokenCount: limit, nextTokenCount: nextTokenCount, duration: UInt64(base + limit * perToken))
            return limit
        }
    }

    @Test("the first step measures the quiet time, and the share settles at what the target leaves")
    func relative() {
        var pacer = StepPacer(.relative(2), maxBatchTokens: 512)
        let limits = Self.run(&pacer, steps: 60, nextTokenCount: 8, base: 1_000_000, perToken: 20_000)
        #expect(limits[0] == 0 && limits[1] == StepPacer.minPromptTokens)
        #expect(limits.suffix(50).allSatisfy { $0 == 50 })
    }

    @Test("an absolute target, and one that cannot be met", arguments: [(3, 100), (1, 8)])
    func absolute(milliseconds: Int, expected: Int) {
        var pacer = StepPacer(.absolute(.milliseconds(milliseconds)), maxBatchTokens: 512)
        let limits = Self.run(&pacer, steps: 60, nextTokenCount: 8, base: 1_000_000, perToken: 20_000)
        #expect(limits.suffix(30).allSatisfy { $0 == expected })
    }

    @Test("it follows a machine that becomes slower, and asks anew when others run")
    func drift() {
        var pacer = StepPacer(.relative(2), maxBatchTokens: 512)
        _ = Self.run(&pacer, steps: 50, nextTokenCount: 8, base: 1_000_000, perToken: 20_000)
        let slower = Self.run(&pacer, steps: 200, nextTokenCount: 8, base: 1_000_000, perToken: 50_000)
        #expect(slower.suffix(50).filter { $0 > 0 }.allSatisfy { $0 == 20 })
        #expect(slower.filter { $0 == 0 }.count == 3)
        #expect(pacer.promptTokenLimit(beside: 32) == 0)
        #expect(pacer.promptTokenLimit(beside: 9) == 20)
    }

    @Test("without a target, and beside nobody, prompts take all there is")
    func unlimited() {
        let pacer = StepPacer(.unlimited, maxBatchTokens: 77)
        #expect(pacer.promptTokenLimit(beside: 5) == 77)
        #expect(StepPacer(.relative(2), maxBatchTokens: 77).promptTokenLimit(beside: 0) == 77)
    }
}

struct StartRateTests {
    @Test("seconds until what waits has started, by the rate of the last seconds, within bounds")
    func rate() {
        var rate = StartRate()
        #expect(rate.retryAfterSeconds(waitingCount: 9) == 1)
        // Who comes while nobody waits says nothing about the rate.
        rate.record(startedCount: 1000, duration: 500_000_000, isQueueing: false)
        for step in 1...100 { rate.record(startedCount: 1000 + step, duration: 500_000_000, isQueueing: true) }
        #expect(rate.retryAfterSeconds(waitingCount: 10) == 5)
        #expect(rate.retryAfterSeconds(waitingCount: 1) == 1)
        #expect(rate.retryAfterSeconds(waitingCount: 100_000) == 120)
        // Ten times faster: the old rate is forgotten after some memory spans.
        for step in 1...1000 { rate.record(startedCount: 1100 + step, duration: 50_000_000, isQueueing: true) }
        #expect(rate.retryAfterSeconds(waitingCount: 100) == 6)
    }
}
