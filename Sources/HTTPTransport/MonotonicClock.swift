import Glibc
import HTTPCodec

/// The clocks of the network edge: the only place of the HTTP layer where time is asked for.
enum MonotonicClock {
    /// Since boot; never set back.
    static func now() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}

/// The `Date` of answers, made once a second.
struct DateCache {
    private var second: Int64 = -1
    private var date = HTTPDate(unixSeconds: 0)

    mutating func current() -> HTTPDate {
        let seconds = Int64(time(nil))
        if seconds != second {
            second = seconds
            date = HTTPDate(unixSeconds: seconds)
        }
        return date
    }
}
