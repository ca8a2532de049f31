import Testing

@testable import Tenancy

@Suite("What holders of keys use", .timeLimit(.minutes(1)))
struct TenantsTests {
    private func key(_ name: String, _ change: (inout KeyLimits) -> Void = { _ in }) -> APIKey {
        var key = APIKey(name: name, digest: KeyDigest(of: Array(name.utf8)))
        change(&key.limits)
        return key
    }

    @Test(
        "A bucket gives a minute's worth at once, then evenly",
        arguments: [
            // Per minute, takes at seconds of counts, and the waits.
            (60, [(0, 60), (0, 1), (1, 1), (1, 1)], [nil, 1, nil, 1]),
            (1, [(0, 1), (1, 1), (59, 1), (60, 1), (60, 1)], [nil, 59, 1, nil, 60]),
            (6, [(5, 4), (5, 3), (15, 3), (15, 1), (1000, 6), (1000, 1)], [nil, 10, nil, 10, nil, 10]),
            (120, [(0, 100), (0, 40), (10, 40), (10, 0)], [nil, 10, nil, nil]),
        ] as [(Int, [(Int, Int)], [Int?])])
    func bucket(_ perMinute: Int, _ takes: [(Int, Int)], _ waits: [Int?]) {
        var bucket = MinuteBucket()
        for ((second, count), wait) in zip(takes, waits) {
            let found = bucket.take(count, perMinute: perMinute, now: .seconds(second))
            #expect(found == wait.map { .seconds($0) }, "\(count) at \(second)")
        }
    }

    @Test("What a bucket gets back can be taken again, and no more than a minute's worth is ever there")
    func givenBack() {
        var bucket = MinuteBucket()
        #expect(bucket.take(10, perMinute: 10, now: .zero) == nil)
        bucket.giveBack(4, perMinute: 10)
        #expect(bucket.take(4, perMinute: 10, now: .zero) == nil)
        bucket.giveBack(10, perMinute: 10)
        #expect(bucket.take(10, perMinute: 10, now: .seconds(500)) == nil)
        #expect(bucket.take(1, perMinute: 10, now: .seconds(500)) == .seconds(6))
    }

    @Test("Requests at once are counted from their admission to their end, once, and when they are let go of")
    func concurrent() async throws {
        let key = key("a") { $0.concurrentRequests = 2 }
        let tenants = Tenants([key])
        let first = try await tenants.admit(key, now: .zero)
        var second: Ticket? = try await tenants.admit(key, now: .zero)
        let refusal = await #expect(throws: Tenants.Refusal.self) { try await tenants.admit(key, now: .zero) }
        #expect(refusal == Tenants.Refusal(.concurrent(2)) && refusal?.retryAfter == 1)
        await first.end(used: nil)
        await first.end(used: nil)
        #expect(await tenants.runningCount(of: "a") == 1)
        _ = second
        second = nil
        while await tenants.runningCount(of: "a") > 0 { await Task.yield() }
        #expect(try await tenants.admit(key, now: .zero).key == key)
    }

    @Test("A refused request counts for nothing; waits are told in whole seconds")
    func requests() async throws {
        let key = key("a") { $0.requestsPerMinute = 7 }
        let tenants = Tenants([key])
        for _ in 0..<7 { try await tenants.count(key, now: .zero) }
        for _ in 0..<3 {
            let refusal = await #expect(throws: Tenants.Refusal.self) { try await tenants.admit(key, now: .zero) }
            #expect(refusal?.limit == .requests(perMinute: 7) && refusal?.retryAfter == 9)
        }
        try await tenants.count(key, now: .seconds(9))
        #expect(await tenants.runningCount(of: "a") == 0)
    }

    @Test("Tokens are reserved, what was not used comes back, and a reading of keys changes no usage")
    func tokens() async throws {
        let key = key("a") { $0.tokensPerMinute = 100 }
        let tenants = Tenants([key])
        let ticket = try await tenants.admit(key, now: .zero)
        try await ticket.reserve(tokens: 90, now: .zero)
        let next = try await tenants.admit(key, now: .zero)
        await tenants.replace(with: [key])
        let refusal = await #expect(throws: Tenants.Refusal.self) { try await next.reserve(tokens: 40, now: .zero) }
        #expect(refusal == Tenants.Refusal(.tokens(perMinute: 100), wait: .seconds(18)))
        let large = await #expect(throws: Tenants.Refusal.self) { try await next.reserve(tokens: 101, now: .zero) }
        #expect(large?.limit == .tokensOfOneRequest(101, perMinute: 100))
        await ticket.end(used: 60)
        try await next.reserve(tokens: 40, now: .zero)
        await next.end(used: nil)
        let last = try await tenants.admit(key, now: .zero)
        await #expect(throws: Tenants.Refusal.self) { try await last.reserve(tokens: 1, now: .zero) }
    }

    @Test("Keys that are replaced hold at once, and those that are gone do not")
    func replaced() async throws {
        let (a, b) = (key("a"), key("b"))
        let tenants = Tenants([a])
        #expect(await tenants.holder(of: Array("a".utf8)) == a)
        #expect(await tenants.holder(of: Array("b".utf8)) == nil)
        let ticket = try await tenants.admit(a, now: .zero)
        await tenants.replace(with: [b])
        #expect(await tenants.holder(of: Array("a".utf8)) == nil)
        #expect(await tenants.holder(of: Array("b".utf8)) == b)
        #expect(await tenants.runningCount(of: "a") == 1)
        await ticket.end(used: nil)
        #expect(await tenants.runningCount(of: "a") == 0)
    }
}
