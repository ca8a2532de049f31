import Glibc
package import Logging

/// Writes each log event as one line to a descriptor, standard error by default.
///
/// A line is one `write`; its result is ignored. A full disk, a closed pipe or a reader that sleeps must neither stop
/// nor end the server, so a line that cannot go out at once is lost.
package struct LineLogHandler: LogHandler {
    package enum Format: Sendable {
        /// One JSON object a line, for collectors.
        case json
        /// Time, level, message and metadata, for people.
        case plain
    }

    package var logLevel = Logger.Level.info
    package var metadata: Logger.Metadata = [:]
    private let label: String
    private let format: Format
    private let descriptor: Int32

    package init(label: String, format: Format, descriptor: Int32 = STDERR_FILENO) {
        self.label = label
        self.format = format
        self.descriptor = descriptor
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var all = metadata
        if let own = event.metadata { all.merge(own) { _, new in new } }
        if let error = event.error { all["error"] = "\(error)" }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let line =
            switch format {
            case .json: json(event, all, time: Self.timestamp(now))
            case .plain: plain(event, all, time: Self.timestamp(now))
            }
        write(line)
    }

    private func json(_ event: LogEvent, _ metadata: Logger.Metadata, time: String) -> [UInt8] {
        var line = JSONLine()
        line.add("time", time)
        line.add("level", event.level.rawValue)
        line.add("label", label)
        line.add("message", event.message.description)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { line.add(key, value.description) }
        return line.finish()
    }

    private func plain(_ event: LogEvent, _ metadata: Logger.Metadata, time: String) -> [UInt8] {
        var line = [UInt8]("\(time) \(event.level.rawValue) \(event.message)".utf8)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(value)".utf8 }
        // A value must not be able to forge a line, nor to reach the terminal with an escape sequence.
        for index in line.indices where line[index] < 0x20 || line[index] == 0x7F { line[index] = UInt8(ascii: " ") }
        return line + [UInt8(ascii: "\n")]
    }

    private func write(_ line: [UInt8]) {
        var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        guard poll(&query, 1, 0) == 1 else { return }
        _ = line.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }

    /// `2026-11-24T13:50:00.123Z`.
    private static func timestamp(_ time: timespec) -> String {
        var seconds = time.tv_sec
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = [Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday)]
        let clock = [Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec)]
        return date.map { padded($0, 2) }.joined(separator: "-") + "T"
            + clock.map { padded($0, 2) }.joined(separator: ":") + "." + padded(time.tv_nsec / 1_000_000, 3) + "Z"
    }
}

/// A JSON object of string members, on one line.
private struct JSONLine {
    private var bytes = [UInt8(ascii: "{")]

    mutating func add(_ key: String, _ value: String) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        addString(key)
        bytes.append(UInt8(ascii: ":"))
        addString(value)
    }

    func finish() -> [UInt8] { bytes + "}\n".utf8 }

    private mutating func addString(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = [UInt8]("0123456789abcdef".utf8)
                bytes += "\\u00".utf8
                bytes += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default:
                bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
