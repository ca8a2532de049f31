import Glibc

/// The terminal: progress on standard error, text on standard output. Written with write(2), so that a full disk or a
/// closed pipe is no trap.
enum Console {
    /// A line about what the program does.
    static func say(_ line: String) {
        _ = write(Array("needletail: \(line)\n".utf8), to: STDERR_FILENO)
    }

    /// - Returns: whether somebody still reads.
    @discardableResult
    static func put(_ text: [UInt8]) -> Bool { write(text, to: STDOUT_FILENO) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// Sizes and times as people read them.
enum Readable {
    static func bytes(_ count: Int) -> String {
        let units = ["B", "KB", "MB", "GB", "TB"]
        var (value, unit) = (Double(count), 0)
        while value >= 1000 && unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
        return unit == 0 ? "\(count) B" : "\(oneDecimal(value)) \(units[unit])"
    }

    static func count(_ value: Int) -> String {
        if value >= 1_000_000_000 { return "\(oneDecimal(Double(value) / 1e9)) B" }
        if value >= 1_000_000 { return "\(oneDecimal(Double(value) / 1e6)) M" }
        return value >= 10_000 ? "\(oneDecimal(Double(value) / 1e3)) k" : "\(value)"
    }

    static func seconds(_ duration: Duration) -> String {
        let milliseconds = duration / .milliseconds(1)
        return "\((milliseconds / 10).rounded() / 100) s"
    }

    /// `2` rather than `2.0`.
    static func number(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }

    private static func oneDecimal(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
