import InferenceTypes
import Testing

@testable import Engine

struct PrefixCacheTests {
    @Test("full blocks are found by their tokens and what comes before them, in their own scope only")
    func lookup() {
        var pool = BlockPool(blockCount: 8)
        let tokens: [TokenID] = [1, 2, 3, 4, 5, 6]
        let table = pool.filled(tokens, .shared(salt: []), blockSize: 2)
        #expect(pool.prefix(of: tokens, .shared(salt: []), blockSize: 2) == table)
        #expect(pool.prefix(of: tokens + [7], .shared(salt: []), blockSize: 2) == table)
        #expect(pool.prefix(of: [1, 2, 3, 4, 5, 7], .shared(salt: []), blockSize: 2) == Array(table[..<2]))
        #expect(pool.prefix(of: [1, 2, 3], .shared(salt: []), blockSize: 2) == [table[0]])
        #expect(pool.prefix(of: [3, 4, 5, 6], .shared(salt: []), blockSize: 2) == [])
        #expect(pool.prefix(of: tokens, .shared(salt: [0]), blockSize: 2) == [])
        #expect(pool.prefix(of: tokens, .request(RequestID(number: 0)), blockSize: 2) == [])
        pool.release(table)
        #expect(pool.freeCount == 8 && pool.cachedCount == 3)
        pool.take(pool.prefix(of: tokens, .shared(salt: []), blockSize: 2))
        #expect(pool.freeCount == 5 && pool.cachedCount == 0)
    }

    @Test("blocks are given out blank first, then tail before head, and those that were found again last")
    func eviction() {
        var pool = BlockPool(blockCount: 10)
        let hot = pool.filled([1, 1, 2, 2], .shared(salt: []), blockSize: 2)
        pool.release(hot)
        let cold = pool.filled([3, 3, 4, 4], .shared(salt: []), blockSize: 2)
        pool.take(pool.prefix(of: [1, 1, 2, 2], .shared(salt: []), blockSize: 2))
        pool.release(hot)
        pool.release(cold)
        let order = (0..<10).compactMap { _ in pool.allocate() }
        #expect(Array(order.suffix(4)) == [cold[1], cold[0], hot[1], hot[0]])
        #expect(pool.prefix(of: [1, 1, 2, 2], .shared(salt: []), blockSize: 2) == [] && pool.checkInvariants())
    }

    @Test("a flood of new prompts leaves at least a hot prefix that is not longer than its share")
    func flood() {
        var pool = BlockPool(blockCount: 20)
        let hot: [TokenID] = [1, 1, 2, 2, 3, 3]
        for number in 0..<200 as Range<TokenID> {
            let found = pool.prefix(of: hot, .shared(salt: []), blockSize: 2)
            if number > 1 { #expect(found.count == 3, "\(number)") }
            pool.take(found)
            pool.release(found.isEmpty ? pool.filled(hot, .shared(salt: []), blockSize: 2) : found)
            pool.release(pool.filled((0..<10).map { 100 + number * 10 + $0 }, .shared(salt: []), blockSize: 2))
        }
        #expect(pool.freeCount == 20 && pool.checkInvariants())
    }

    @Test("who fills a block that another holds filled holds the other's")
    func merging() {
        var pool = BlockPool(blockCount: 4)
        let first = pool.filled([1, 2], .shared(salt: []), blockSize: 2)
        let second = pool.filled([1, 2], .shared(salt: []), blockSize: 2)
        #expect(first == second && pool.referenceCount(of: first[0]) == 2 && pool.freeCount == 3)
    }

    @Test("what nobody may find is not kept", arguments: [true, false])
    func isolated(bySetting: Bool) throws {
        var bench = try SchedulerBench(blockCount: 16, maxBatchTokens: 64, cachesPrefixes: !bySetting)
        let caching: Scheduling.PrefixCaching = bySetting ? .shared(salt: []) : .isolated
        for _ in 0..<2 {
            try bench.submit(
                prompt: 1, promptCount: 12, maxTokens: 2, scheduling: Scheduling(prefixCaching: caching))
            while !bench.scheduler.isIdle { bench.step() }
        }
        #expect(bench.scheduler.counts.cachedPromptTokens == 0 && bench.scheduler.pool.cachedCount == 0)
    }

    /// Computed tokens of a second request that begins like a first one of 12 tokens, and what it hears.
    @Test(
        "the second request computes what is new, and at least its last token",
        arguments: [(12, 11), (13, 12), (11, 8), (20, 12), (3, 0)])
    func hits(promptCount: Int, expected: Int) throws {
        var bench = try SchedulerBench(blockCount: 32, maxBatchTokens: 64)
        try bench.submit(prompt: 1, promptCount: 12, maxTokens: 1)
        bench.step()
        try bench.submit(prompt: 1, promptCount: promptCount, maxTokens: 1)
        #expect(bench.step() == [Planned(1, expected..<promptCount, wantsLogits: true)])
        #expect(bench.scheduler.counts.cachedPromptTokens == expected)
    }

    @Test("answers and prompt logprobs are the same from cached prefixes, for fewer, more and no logprobs")
    func scores() async throws {
        let configuration = EngineConfiguration(
            blockSize: 4, blockCount: 64, contextCount: 64, maxBatchTokens: 64, maxScoredTokens: 7)
        var requests: [GenerationRequest] = []
        for (promptCount, topCount) in [(21, 2), (21, 2), (24, 1), (16, 0), (21, 3), (21, 3), (17, nil), (30, 2)] {
            var request = GenerationRequest.numbered(9, promptCount: promptCount, maxTokens: 4)
            request.report = GenerationReport(logprobCount: 1, promptLogprobCount: topCount)
            requests.append(request)
        }
        var plain: [Answers] = []
        for request in requests {
            var bench = try EngineBench(configuration)
            let (_, events) = try bench.submit(request)
            bench.runToEnd()
            plain.append(await Answers(events))
        }
        var bench = try EngineBench(configuration)
        var computed: [Int] = []
        for (request, expected) in zip(requests, plain) {
            let before = bench.statistics.computedTokenCount
            let (_, events) = try bench.submit(request)
            while !bench.statistics.isIdle { bench.step() }
            computed.append(bench.statistics.computedTokenCount - before - 3)
            #expect(await Answers(events) == expected)
        }
        // 20 of 21 tokens are in full blocks, of which the last is looked at once more for what follows it. Who wants more
        // than was noted looks at all of it; what nobody looks at needs no notes.
        #expect(computed == [21, 2, 5, 1, 21, 2, 1, 11])
    }
}

extension BlockPool {
    /// Holds full blocks with these tokens.
    fileprivate mutating func filled(_ tokens: [TokenID], _ scope: PrefixScope, blockSize: Int) -> [Int32] {
        var table: [Int32] = []
        for start in stride(from: 0, to: tokens.count, by: blockSize) {
            guard let block = allocate() else { return table }
            table.append(register(block, after: table.last, tokens: tokens[start..<start + blockSize], scope))
        }
        return table
    }
}
