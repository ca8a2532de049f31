/// The keys, and what their holders use.
package actor Tenants {
    private var keys: [APIKey]
    /// By name; kept when the keys are read anew, so that this is no way around a limit.
    private var usages: [String: Usage] = [:]
    private var running: [UInt64: Running] = [:]
    private var ticketCount: UInt64 = 0

    private struct Usage {
        var requests = MinuteBucket()
        var tokens = MinuteBucket()
        var runningCount = 0
    }

    private struct Running {
        var name: String
        var tokenCount = 0
        /// By which limit they were taken.
        var tokensPerMinute = 1
    }

    package init(_ keys: [APIKey]) { self.keys = keys }

    /// Which limit a request would break, and when it would not any more.
    package struct Refusal: Error, Sendable, Equatable {
        package enum Limit: Sendable, Equatable {
            case requests(perMinute: Int)
            case tokens(perMinute: Int)
            case concurrent(Int)
            /// More than a whole minute's: no waiting helps.
            case tokensOfOneRequest(Int, perMinute: Int)
        }

        package var limit: Limit
        /// - Units: whole seconds, at least 1 and at most 60.
        package var retryAfter: Int

        init(_ limit: Limit, wait: Duration = .seconds(1)) {
            self.limit = limit
            let seconds = wait.components.seconds + (wait.components.attoseconds > 0 ? 1 : 0)
            retryAfter = Int(min(max(seconds, 1), 60))
        }
    }

    /// Puts other keys in the place of these. Who is gone is not found any more; what runs of him ends as it would.
    package func replace(with keys: [APIKey]) {
        self.keys = keys
        let names = Set(keys.map(\.name))
        usages = usages.filter { names.contains($0.key) || $0.value.runningCount > 0 }
    }

    /// The holder of a key; nil where there is none.
    package func holder(of key: [UInt8]) -> APIKey? { APIKey.find(KeyDigest(of: key), in: keys) }

    /// Counts a request that is over with its answer.
    package func count(_ key: APIKey, now: Duration) throws(Refusal) {
        guard let perMinute = key.limits.requestsPerMinute else { return }
        let wait = usages[key.name, default: Usage()].requests.take(1, perMinute: perMinute, now: now)
        if let wait { throw Refusal(.requests(perMinute: perMinute), wait: wait) }
    }

    /// Counts a request that runs from now on until its ticket ends.
    package func admit(_ key: APIKey, now: Duration) throws(Refusal) -> Ticket {
        if let limit = key.limits.concurrentRequests, usages[key.name]?.runningCount ?? 0 >= limit {
            throw Refusal(.concurrent(limit))
        }
        try count(key, now: now)
        usages[key.name, default: Usage()].runningCount += 1
        ticketCount += 1
        running[ticketCount] = Running(name: key.name)
        return Ticket(self, number: ticketCount, key: key)
    }

    fileprivate func reserve(_ count: Int, _ number: UInt64, _ key: APIKey, now: Duration) throws(Refusal) {
        guard let perMinute = key.limits.tokensPerMinute else { return }
        guard count <= perMinute else { throw Refusal(.tokensOfOneRequest(count, perMinute: perMinute)) }
        let wait = usages[key.name, default: Usage()].tokens.take(count, perMinute: perMinute, now: now)
        if let wait { throw Refusal(.tokens(perMinute: perMinute), wait: wait) }
        running[number]?.tokenCount += count
        running[number]?.tokensPerMinute = perMinute
    }

    /// Once for each number, whoever comes first.
    fileprivate func end(_ number: UInt64, used: Int?) {
        guard let request = running.removeValue(forKey: number) else { return }
        usages[request.name]?.runningCount -= 1
        guard let used, used < request.tokenCount else { return }
        usages[request.name]?.tokens.giveBack(request.tokenCount - used, perMinute: request.tokensPerMinute)
    }

    /// Requests of this name that run.
    package func runningCount(of name: String) -> Int { usages[name]?.runningCount ?? 0 }
}

/// A request's place among those of its key. One that is let go of ends a moment later, and pays for all that it reserved.
package final class Ticket: Sendable {
    package let key: APIKey
    private let tenants: Tenants
    private let number: UInt64

    fileprivate init(_ tenants: Tenants, number: UInt64, key: APIKey) {
        self.tenants = tenants
        self.number = number
        self.key = key
    }

    /// Takes the most that the request can use from the minute's tokens.
    package func reserve(tokens: Int, now: Duration) async throws(Tenants.Refusal) {
        try await tenants.reserve(tokens, number, key, now: now)
    }

    /// The request is over.
    ///
    /// - Parameter used: its tokens; what it reserved beyond them is given back. Nil keeps all.
    package func end(used: Int?) async { await tenants.end(number, used: used) }

    deinit {
        let (tenants, number) = (tenants, number)
        Task { await tenants.end(number, used: nil) }
    }
}
