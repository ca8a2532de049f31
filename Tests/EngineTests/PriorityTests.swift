import InferenceTypes
import Testing

@testable import Engine

struct PriorityTests {
    @Test("when blocks run out the newest of the lowest priority gives way, whole, and is computed anew")
    func preemption() throws {
        var bench = try SchedulerBench(blockCount: 9, maxBatchTokens: 64)
        for priority in [1, 2, 1] {
            try bench.submit(promptCount: 7, maxTokens: 12, scheduling: Scheduling(priority: priority))
        }
        bench.step()
        #expect(bench.scheduler.running.map(\.id.number) == [0, 2, 1])
        while bench.scheduler.counts.preemptions == 0 { bench.step() }
        #expect(bench.scheduler.running.map(\.id.number) == [0, 2])
        #expect(bench.scheduler.waiting.map(\.id.number) == [1])
        let victim = bench.scheduler.waiting[0]
        #expect(victim.sequences[0].blockTable.isEmpty && victim.sequences[0].tokens.count > 8)
        while !bench.scheduler.isIdle { bench.step() }
        #expect(bench.finished == [0, 2, 1])
    }

    @Test("a more urgent request starts in the next step, and takes the place of the newest of the least urgent")
    func urgent() throws {
        var bench = try SchedulerBench(blockCount: 64, maxBatchTokens: 64, maxRunningSequences: 2)
        for _ in 0..<66 { try bench.submit(promptCount: 3, maxTokens: 9, scheduling: Scheduling(priority: 5)) }
        bench.step()
        #expect(bench.scheduler.running.map(\.id.number) == [0, 1] && bench.scheduler.waiting.count == 64)
        try bench.submit(promptCount: 3, maxTokens: 2, scheduling: Scheduling(priority: -1))
        #expect(bench.step().map(\.number) == [66, 0])
        bench.step()
        #expect(bench.finished == [66])
        // Who gave way is the oldest of those that wait, so that it comes back first.
        #expect(bench.step().map(\.number) == [0, 1])
    }

    @Test("where the only next token of a step loses its blocks, prompts have the step, whatever their limit")
    func emptyStep() throws {
        var bench = try SchedulerBench(blockCount: 6, maxBatchTokens: 64)
        try bench.submit(promptCount: 7, maxTokens: 16, scheduling: Scheduling(priority: 1))
        bench.step()
        try bench.submit(promptCount: 12, maxTokens: 2)
        // It starts and waits for its limit, while the other grows to the last block and beyond.
        #expect(bench.step(promptTokenLimit: 9) == [Planned(1, 0..<9), Planned(0, 7..<8, wantsLogits: true)])
        while !bench.scheduler.isIdle { #expect(bench.step(promptTokenLimit: 0).isEmpty == false) }
        #expect(bench.finished == [1, 0] && bench.scheduler.counts.preemptions == 1)
    }

    @Test("equals do not displace each other, and any number is a priority")
    func extremes() throws {
        var bench = try SchedulerBench(blockCount: 64, maxBatchTokens: 64, maxRunningSequences: 1)
        for priority in [0, 0, .max, .min, .min] {
            try bench.submit(promptCount: 3, maxTokens: 2, scheduling: Scheduling(priority: priority))
        }
        while !bench.scheduler.isIdle { bench.step() }
        #expect(bench.finished == [3, 4, 0, 1, 2])
    }

    @Test("who is overtaken often enough has its turn and keeps it", arguments: [0, 1, 5])
    func ageing(maxOvertakes: Int) throws {
        var bench = try SchedulerBench(
            blockCount: 64, maxBatchTokens: 64, maxRunningSequences: 1, maxOvertakes: maxOvertakes)
        try bench.submit(promptCount: 3, maxTokens: 4, scheduling: Scheduling(priority: 0))
        bench.step()
        try bench.submit(promptCount: 3, maxTokens: 4, scheduling: Scheduling(priority: 9))
        // A new urgent request before each step: there is always one that is more urgent.
        for _ in 0..<20 * (maxOvertakes + 2) where !bench.finished.contains(1) {
            try bench.submit(promptCount: 3, maxTokens: 4, scheduling: Scheduling(priority: 0))
            bench.step()
        }
        let place = try #require(bench.finished.firstIndex(of: 1))
        // The first ran already when it came; whoever overtook it last gives way to it.
        #expect(place == max(maxOvertakes, 1))
    }

    @Test("a prompt that more urgent ones leave no tokens has its turn as well")
    func pausedPrompt() throws {
        var bench = try SchedulerBench(blockCount: 64, maxBatchTokens: 4, maxOvertakes: 3)
        try bench.submit(promptCount: 9, maxTokens: 1, scheduling: Scheduling(priority: 1))
        bench.step()
        while !bench.finished.contains(0), bench.finished.count < 30 {
            try bench.submit(promptCount: 4, maxTokens: 1)
            bench.step()
        }
        // Four others had a step each; then the rest of its prompt takes two.
        #expect(bench.finished == [1, 2, 3, 4, 0])
    }

    @Test("accounts of one priority are served alike, however many requests each has")
    func fairShares() throws {
        var bench = try SchedulerBench(blockCount: 256, maxBatchTokens: 64, maxRunningSequences: 1)
        for _ in 0..<20 {
            try bench.submit(promptCount: 4, maxTokens: 2, scheduling: Scheduling(account: [65]))
        }
        for _ in 0..<4 {
            try bench.submit(promptCount: 4, maxTokens: 2, scheduling: Scheduling(account: [66]))
        }
        while bench.finished.count < 8 { bench.step() }
        #expect(bench.finished == [0, 20, 1, 21, 2, 22, 3, 23])
        // Priority goes before shares.
        try bench.submit(promptCount: 4, maxTokens: 2, scheduling: Scheduling(priority: 1, account: [67]))
        while !bench.scheduler.isIdle { bench.step() }
        #expect(bench.finished.last == 24)
    }

    @Test("a group that was stopped three times without a token is stopped no more")
    func fruitless() throws {
        var bench = try SchedulerBench(blockCount: 8, maxBatchTokens: 2)
        try bench.submit(promptCount: 16, maxTokens: 4)
        let group = bench.scheduler.waiting[0]
        for number in 1...4 as ClosedRange<UInt64> {
            bench.step()
            try bench.submit(promptCount: 20, maxTokens: 1, scheduling: Scheduling(priority: -1))
            while !bench.finished.contains(number), !group.record.isProtected { bench.step() }
        }
        while !bench.scheduler.isIdle { bench.step() }
        #expect(bench.finished == [1, 2, 0, 3, 4])
        #expect(group.record.preemptionCount == Scheduler.maxFruitlessPreemptions)
    }
}

struct AccountSharesTests {
    @Test("who comes anew starts level with the least served, and who is idle keeps what it was served")
    func levels() {
        var shares = AccountShares()
        let a = shares.enter([1])
        shares.charge(100, to: a)
        let b = shares.enter([2])
        #expect(shares.servedCount(b) == 100)
        shares.charge(50, to: b)
        shares.leave(b)
        #expect(shares.count == 2)
        #expect(shares.servedCount(shares.enter([2])) == 150)
        let c = shares.enter(nil)
        #expect(shares.servedCount(c) == 100)
    }

    @Test("idle accounts are forgotten where that changes nothing, and never more than a bound are kept")
    func bounded() {
        var shares = AccountShares()
        let a = shares.enter([0])
        for number in 0..<5000 {
            let account = shares.enter([1, UInt8(number % 256), UInt8(number / 256)])
            shares.charge(number % 2, to: account)
            shares.leave(account)
        }
        #expect(shares.count == AccountShares.maxIdleCount + 1)
        shares.charge(10, to: a)
        let other = shares.enter([9])
        shares.leave(other)
        #expect(shares.count == 1)
        shares.leave(a)
        #expect(shares.count == 0)
    }
}
