/// A token bucket that holds what a minute allows, and fills evenly.
///
/// Kept as the time at which it is full again, so that nothing has to tick, and a limit that changes needs no conversion.
///
/// - Source: the generic cell rate algorithm, ITU-T I.371.
struct MinuteBucket: Sendable, Equatable {
    private static let minute = Duration.seconds(60)

    private var fullAt = Duration.zero

    /// Takes `count` at once, or nothing.
    ///
    /// - Returns: nil, or how long to wait until `count` are there.
    /// - Requires: `count` ≤ `perMinute`; more are never there.
    mutating func take(_ count: Int, perMinute: Int, now: Duration) -> Duration? {
        let full = max(fullAt, now) + Self.minute / perMinute * count
        guard full - now <= Self.minute else { return full - now - Self.minute }
        fullAt = full
        return nil
    }

    /// Gives back what was taken and not used.
    mutating func giveBack(_ count: Int, perMinute: Int) { fullAt -= Self.minute / perMinute * count }
}
