/// What a replay measured.
package struct SimulationReplayReport: Sendable {
    package var requestCount = 0
    /// Prompt and answer do not fit the context: 400.
    package var tooLongCount = 0
    /// The queue was full: 429.
    package var refusedCount = 0
    /// It waited for too long: 503.
    package var timeoutCount = 0
    /// Indices of those that were served.
    var finishedEntries: [Int] = []
    package var stepCount = 0
    package var computedTokenCount = 0
    package var generatedTokenCount = 0
    package var preemptionCount = 0
    package var promptTokenCount = 0
    package var cachedPromptTokenCount = 0
    package var mostHeldBlocks = 0
    package var mostRunning = 0
    /// From arrival to start, from arrival to the first token, from one token to the next.
    ///
    /// - Units: nanoseconds.
    package var queueTimes: [UInt64] = []
    package var firstTokenTimes: [UInt64] = []
    package var tokenGaps: [UInt64] = []
    /// - Units: nanoseconds.
    package var duration: UInt64 = 0
    /// Prompt tokens that a cache without bound would have, of the served requests.
    var unbounded = (cachedTokenCount: 0, promptTokenCount: 0)

    package var servedCount: Int { finishedEntries.count }
    package var hitRate: Double { Self.ratio(cachedPromptTokenCount, promptTokenCount) }
    package var unboundedHitRate: Double { Self.ratio(unbounded.cachedTokenCount, unbounded.promptTokenCount) }
    /// Hits as a part of those without bound; 1 where there is nothing to hit.
    package var relativeHitRate: Double { unboundedHitRate > 0 ? hitRate / unboundedHitRate : 1 }

    private static func ratio(_ part: Int, _ whole: Int) -> Double { whole > 0 ? Double(part) / Double(whole) : 0 }

    /// Shares of the times, nearest rank; 0 where there are none.
    ///
    /// - Parameter percents: 0…100.
    package static func percentiles(_ times: [UInt64], _ percents: [Int]) -> [UInt64] {
        let sorted = times.sorted()
        guard !sorted.isEmpty else { return percents.map { _ in 0 } }
        return percents.map { sorted[max(0, (sorted.count * $0 + 99) / 100 - 1)] }
    }
}
