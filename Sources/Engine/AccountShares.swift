/// Tokens that each account was served, so that accounts of one priority share the engine however many requests each has.
///
/// - Source: the virtual token counter of Sheng et al., "Fairness in Serving Large Language Models" (OSDI 2024): who comes
///   anew starts level with the least served, so that nobody saves up a claim.
struct AccountShares {
    private struct Share {
        var account: [UInt8]?
        var servedCount = 0
        /// Requests that have not ended.
        var liveCount = 0
    }

    /// A generated token costs so many tokens of a prompt.
    ///
    /// - Source: the paper's weights, 1 and 2, as the prices of hosted models.
    static let generatedWeight = 2
    /// Accounts that are remembered after their last request ended.
    ///
    /// - Source: four times as many as can wait by default.
    static let maxIdleCount = 1024

    private var numbers: [[UInt8]?: Int] = [:]
    /// By number; those that nobody has are in `unused`.
    private var shares: [Share] = []
    private var unused: [Int] = []

    /// Accounts that are remembered.
    var count: Int { numbers.count }

    func servedCount(_ number: Int) -> Int { shares[number].servedCount }

    mutating func charge(_ tokenCount: Int, to number: Int) { shares[number].servedCount += tokenCount }

    /// A request came. Who was away does not bring back a claim from then.
    ///
    /// - Returns: the account's number, valid while a request of it lives.
    mutating func enter(_ account: [UInt8]?) -> Int {
        let least = leastServedCount
        let number = numbers[account] ?? insert(account)
        if shares[number].liveCount == 0, let least {
            shares[number].servedCount = max(shares[number].servedCount, least)
        }
        shares[number].liveCount += 1
        return number
    }

    /// A request ended.
    mutating func leave(_ number: Int) {
        precondition(shares[number].liveCount > 0, "a request leaves once")
        shares[number].liveCount -= 1
        if shares[number].liveCount == 0 { forgetIdle() }
    }

    /// Among the accounts that have requests.
    private var leastServedCount: Int? { shares.lazy.filter { $0.liveCount > 0 }.map(\.servedCount).min() }

    private mutating func insert(_ account: [UInt8]?) -> Int {
        let share = Share(account: account)
        let number = unused.popLast() ?? shares.count
        if number == shares.count { shares.append(share) } else { shares[number] = share }
        numbers[account] = number
        return number
    }

    /// Who was served no more than anybody who is here would start level with them anyway. Of the others the least served
    /// lose the least.
    private mutating func forgetIdle() {
        let least = leastServedCount ?? .max
        var idle = numbers.values.filter { shares[$0].liveCount == 0 }
        // By number where that is equal: the order of a dictionary is no one's.
        idle.sort { (shares[$0].servedCount, $0) < (shares[$1].servedCount, $1) }
        for (place, number) in idle.enumerated()
        where shares[number].servedCount <= least || place < idle.count - Self.maxIdleCount {
            numbers[shares[number].account] = nil
            unused.append(number)
        }
    }
}
