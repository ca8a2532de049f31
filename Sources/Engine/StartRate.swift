import Glibc

/// How many waiting requests start in a second: of the last ones, measured while somebody waits.
struct StartRate {
    /// After so long a start counts a third.
    ///
    /// - Source: longer than most answers, shorter than the patience of a client.
    private static let memory = 10e9
    /// - Source: the OpenAI packages obey 0 < x ≤ 120.
    private static let seconds = 1...120

    /// Starts and busy nanoseconds, both faded.
    private var starts = 0.0
    private var time = 0.0
    private var startedCount = 0

    /// - Parameters:
    ///   - startedCount: of all requests so far.
    ///   - duration: nanoseconds of the step.
    ///   - isQueueing: whether somebody still waits; else the rate is that of those who come.
    mutating func record(startedCount count: Int, duration: UInt64, isQueueing: Bool) {
        let startedBefore = startedCount
        startedCount = count
        guard isQueueing else { return }
        let fading = exp(-Double(duration) / Self.memory)
        starts = starts * fading + Double(count - startedBefore)
        time = time * fading + Double(duration)
    }

    /// Seconds after which as many as wait now have started.
    func retryAfterSeconds(waitingCount: Int) -> Int {
        // Nothing has started yet: a guess by the seconds that were waited.
        let needed = starts > 0 ? Double(waitingCount) * time / starts / 1e9 : time / 1e9
        guard needed < Double(Self.seconds.upperBound) else { return Self.seconds.upperBound }
        return max(Self.seconds.lowerBound, Int(needed.rounded(.up)))
    }
}
