import InferenceTypes
import Testing

@testable import Engine

struct SchedulerTests {
    @Test("a prompt is cut to the budget and wants logits with its last token only")
    func chunking() throws {
        var bench = try SchedulerBench(blockCount: 16, maxBatchTokens: 8)
        try bench.submit(promptCount: 20, maxTokens: 2)
        #expect(bench.step() == [Planned(0, 0..<8)])
        #expect(bench.step() == [Planned(0, 8..<16)])
        #expect(bench.step() == [Planned(0, 16..<20, wantsLogits: true)])
        #expect(bench.step() == [Planned(0, 20..<21, wantsLogits: true)])
        #expect(bench.scheduler.isIdle)
    }

    @Test("next tokens go before prompts, prompts in the order of arrival, all within one budget")
    func batchMix() throws {
        var bench = try SchedulerBench(blockCount: 64, maxBatchTokens: 8)
        try bench.submit(promptCount: 3, maxTokens: 9)
        #expect(bench.step() == [Planned(0, 0..<3, wantsLogits: true)])
        try bench.submit(promptCount: 10, maxTokens: 9)
        try bench.submit(promptCount: 6, maxTokens: 9)
        #expect(bench.step() == [Planned(0, 3..<4, wantsLogits: true), Planned(1, 0..<7)])
        #expect(
            bench.step() == [
                Planned(0, 4..<5, wantsLogits: true), Planned(1, 7..<10, wantsLogits: true), Planned(2, 0..<4),
            ])
        #expect(
            bench.step() == [
                Planned(0, 5..<6, wantsLogits: true), Planned(1, 10..<11, wantsLogits: true),
                Planned(2, 4..<6, wantsLogits: true),
            ])
    }

    @Test("a sequence holds exactly the blocks of what is computed, and none when it has ended")
    func blockCounts() throws {
        var bench = try SchedulerBench(blockCount: 10, maxBatchTokens: 64)
        try bench.submit(promptCount: 7, maxTokens: 7)
        var used: [Int] = []
        while !bench.scheduler.isIdle {
            bench.step()
            used.append(10 - bench.scheduler.pool.freeCount)
        }
        // Blocks of 4; computed after each step: 7, 8, 9, 10, 11, 12, and 13 with which the choice ends.
        #expect(used == [2, 2, 3, 3, 3, 3, 0])
    }

    @Test("a request starts when its prompt fits and who runs can grow; nobody overtakes it for being smaller")
    func admission() throws {
        var bench = try SchedulerBench(blockCount: 5, maxBatchTokens: 64)
        try bench.submit(promptCount: 8, maxTokens: 5)  // 2 blocks, and one to grow into.
        bench.step()
        try bench.submit(promptCount: 9, maxTokens: 1)  // 3 blocks do not fit beside them.
        try bench.submit(promptCount: 1, maxTokens: 1)  // 1 block would.
        for _ in 0..<4 {
            bench.step()
            #expect(bench.scheduler.waiting.map(\.id.number) == [1, 2])
        }
        #expect(bench.scheduler.running.isEmpty)
        #expect(bench.step() == [Planned(1, 0..<9, wantsLogits: true), Planned(2, 0..<1, wantsLogits: true)])
        #expect(bench.scheduler.isIdle && bench.scheduler.counts.preemptions == 0)
    }

    @Test("a request that needs the whole pool fits, to the last slot")
    func wholePool() throws {
        var bench = try SchedulerBench(blockCount: 3, maxBatchTokens: 64)
        try bench.submit(promptCount: 6, maxTokens: 7)
        while !bench.scheduler.isIdle { bench.step() }
        #expect(bench.scheduler.pool.freeCount == 3)
    }

    @Test("no more sequences run than may, nor than a step has tokens for", arguments: [(2, 64, 2), (64, 3, 3)])
    func runningLimit(maxRunning: Int, maxBatchTokens: Int, expected: Int) throws {
        var bench = try SchedulerBench(
            blockCount: 64, maxBatchTokens: maxBatchTokens, maxRunningSequences: maxRunning)
        for _ in 0..<5 { try bench.submit(promptCount: 1, maxTokens: 4) }
        bench.step()
        #expect(bench.scheduler.running.count == expected)
        #expect(bench.scheduler.waiting.count == 5 - expected)
    }

    @Test("cancelling frees the blocks at once, in every state, and does nothing the second time")
    func cancel() throws {
        var bench = try SchedulerBench(blockCount: 16, maxBatchTokens: 4, maxRunningSequences: 2)
        try bench.submit(promptCount: 2, maxTokens: 9)
        bench.step()
        try bench.submit(promptCount: 9, maxTokens: 9)
        try bench.submit(promptCount: 9, maxTokens: 9)
        bench.step()
        #expect(bench.scheduler.pool.freeCount == 14)
        for number: UInt64 in [2, 1, 0] {
            let publications = bench.scheduler.cancel(RequestID(number: number))
            #expect(publications.map(\.event) == [.finished(FinishedChoice(choice: 0, reason: .cancelled))])
            #expect(publications.map(\.isLast) == [true])
            #expect(bench.scheduler.cancel(RequestID(number: number)).isEmpty)
        }
        #expect(bench.scheduler.pool.freeCount == 16)
        #expect(bench.scheduler.isIdle && bench.scheduler.plan().isEmpty)
    }

    @Test("a failed group ends once and its neighbours go on")
    func failure() throws {
        var bench = try SchedulerBench(blockCount: 16, maxBatchTokens: 64)
        for _ in 0..<3 { try bench.submit(promptCount: 3, maxTokens: 2) }
        let plan = bench.scheduler.plan()
        let grown = plan.parts.map { SchedulerBench.grow($0, plan, reason: nil) }
        let publications = bench.scheduler.commit(plan, [grown[0], .failed("no"), grown[2]])
        #expect(publications.map(\.group.id.number) == [0, 0, 1, 1, 2, 2])
        #expect([0, 2, 4].allSatisfy { publications[$0].event == .started(waited: .zero) })
        #expect(publications[3].event == .finished(FinishedChoice(choice: 0, reason: .failed("no"))))
        #expect(bench.scheduler.running.map(\.id.number) == [0, 2])
        #expect(bench.scheduler.pool.freeCount == 14)
    }
}

/// A planned row, as tests write it.
struct Planned: Equatable {
    var number: UInt64
    var range: Range<Int>
    var wantsLogits: Bool

    init(_ number: UInt64, _ range: Range<Int>, wantsLogits: Bool = false) {
        self.number = number
        self.range = range
        self.wantsLogits = wantsLogits
    }
}

/// A scheduler with blocks of 4 tokens whose groups always pick token 0.
struct SchedulerBench {
    var scheduler: Scheduler
    /// Requests in the order of their ends.
    var finished: [UInt64] = []
    private var nextNumber: UInt64 = 0

    init(
        blockCount: Int, maxBatchTokens: Int, maxRunningSequences: Int = 64, maxOvertakes: Int = 32,
        cachesPrefixes: Bool = true
    ) throws {
        scheduler = Scheduler(
            EngineConfiguration(
                blockSize: 4, blockCount: blockCount, contextCount: 1024, maxBatchTokens: maxBatchTokens,
                maxRunningSequences: maxRunningSequences, maxOvertakes: maxOvertakes, cachesPrefixes: cachesPrefixes))
    }

    /// - Parameter prompt: requests with the same number begin alike; each has its own when absent.
    mutating func submit(
        prompt: Int? = nil, promptCount: Int, maxTokens: Int, scheduling: Scheduling = Scheduling()
    ) throws {
        var request = GenerationRequest.numbered(
            prompt ?? Int(nextNumber) * 3 + 100, promptCount: promptCount, maxTokens: maxTokens)
        request.scheduling = scheduling
        let sink = AsyncStream.makeStream(of: GenerationEvent.self).continuation
        let submission = Submission(id: RequestID(number: nextNumber), request: request, sink: sink)
        nextNumber += 1
        scheduler.submit(SequenceGroup(submission, tokenizer: try TestTokenizer.make()))
    }

    /// Plans and commits a step; returns what was planned.
    @discardableResult
    mutating func step(promptTokenLimit: Int = .max) -> [Planned] {
        let plan = scheduler.plan(promptTokenLimit: promptTokenLimit)
        let outcomes = plan.parts.map { part in
            let isLast =
                part.group.sequences[0].generatedCount + 1 == part.group.request.stop.maxTokens
            return Self.grow(part, plan, reason: isLast ? .length : nil)
        }
        finished += scheduler.commit(plan, outcomes).filter(\.isLast).map(\.group.id.number)
        return plan.parts.flatMap { part in
            plan.rows[part.rows].map {
                Planned(part.group.id.number, $0.range, wantsLogits: $0.lastLogitsRow != nil)
            }
        }
    }

    /// Every sequence whose logits came gets token 0, and ends where there is a reason.
    static func grow(_ part: StepPlan.Part, _ plan: StepPlan, reason: FinishReason?) -> GroupOutcome {
        let rows = plan.rows[part.rows].filter { $0.lastLogitsRow != nil }
        guard !rows.isEmpty else { return .pending }
        var successors: [Successor] = []
        var events: [GenerationEvent] = []
        for row in rows {
            var sequence = part.group.sequences[row.sequence]
            let growth = sequence.append(0, part.group.request, isLate: false)
            events.append(.delta(TextDelta(choice: 0, text: growth.text, tokens: [growth.token])))
            if let reason {
                events.append(.finished(FinishedChoice(choice: 0, reason: reason)))
            } else {
                successors.append(Successor(parent: row.sequence, sequence: sequence))
            }
        }
        return .advanced(successors, events)
    }
}
