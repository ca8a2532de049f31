/// A moment as HTTP writes it, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// - Source: RFC 9110 5.6.7 (IMF-fixdate).
package struct HTTPDate: Sendable, Equatable {
    package let bytes: [UInt8]

    /// - Units: seconds since 1970-01-01 00:00 UTC. Years 1970 to 9999; others are written as the nearest of these.
    package init(unixSeconds: Int64) {
        let seconds = min(max(unixSeconds, 0), 253_402_300_799)
        let (days, time) = (seconds / 86400, seconds % 86400)
        let (year, month, day) = Self.civil(days: days)
        let weekday = Self.weekdays[Int((days + 4) % 7)]
        var text = weekday + ", " + Self.padded(day, 2) + " " + Self.months[Int(month - 1)] + " "
        text += Self.padded(year, 4) + " " + Self.padded(time / 3600, 2) + ":"
        text += Self.padded(time / 60 % 60, 2) + ":" + Self.padded(time % 60, 2) + " GMT"
        bytes = [UInt8](text.utf8)
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// The Gregorian date of a day number since 1970-01-01. Years begin in March here, so that the leap day is last.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468  // since 0000-03-01
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
