import Glibc

/// How values are spread, as lines of text. Each line is so many times the one above: times of a server spread over
/// orders of magnitude.
struct TextHistogram {
    private let title: String
    private let distribution: Distribution
    private let factor: Double

    /// - Parameter factor: what values are multiplied by to be shown.
    init(title: String, _ distribution: Distribution, factor: Double) {
        self.title = title
        self.distribution = distribution
        self.factor = factor
    }

    private static let lineCount = 12
    private static let width = 50
    /// Smaller values are one line.
    private static let smallest = 1e-6

    /// Bounds of the lines, ascending, and how many values lie in each.
    var lines: [(bounds: Range<Double>, count: Int)] {
        guard let low = distribution.percentile(0), let high = distribution.percentile(100) else { return [] }
        let first = max(low, Self.smallest)
        let last = max(high, first)
        guard last > first * 1.001 else { return [(low..<(last * 2), distribution.count)] }
        let ratio = pow(last / first, 1 / Double(Self.lineCount))
        return (0..<Self.lineCount).map { index in
            let start = index == 0 ? min(low, first) : first * pow(ratio, Double(index))
            // The last one holds the highest value.
            let end = index == Self.lineCount - 1 ? last.nextUp : first * pow(ratio, Double(index + 1))
            return (start..<end, distribution.count(in: start..<end))
        }
    }

    var text: String {
        let lines = lines
        guard let most = lines.map(\.count).max(), most > 0 else { return "\n\(title): none\n" }
        let labels = lines.map { Readable.figure($0.bounds.lowerBound * factor) }
        let labelWidth = labels.map(\.count).max() ?? 0
        var text = "\n\(title)\n\n"
        for (line, label) in zip(lines, labels) {
            let eighths = (line.count * Self.width * 8 + most - 1) / most
            let space = String(repeating: " ", count: labelWidth - label.count)
            text += "    \(space)\(label) … \(Self.bar(eighths)) \(line.count)\n"
        }
        return text
    }

    private static func bar(_ eighths: Int) -> String {
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
    }
}

/// A line on the terminal that says how far something is, written over and over; nothing where standard error is no
/// terminal.
final class ProgressLine {
    private let isShown = isatty(STDERR_FILENO) == 1
    private var lastShown: UInt64 = 0

    private static let interval: UInt64 = 100_000_000
    private static let width = 30

    func show(_ name: String, _ progress: BenchProgress) {
        show(Self.line(name, progress), elapsed: progress.elapsed)
    }

    /// - Parameter elapsed: nanoseconds since some beginning.
    func show(_ line: @autoclosure () -> String, elapsed: UInt64) {
        guard isShown, elapsed - min(elapsed, lastShown) >= Self.interval else { return }
        lastShown = elapsed
        write("\r" + line() + "\u{1B}[K")
    }

    /// - Parameter elapsed: seconds since the start.
    func show(elapsed: Double, _ text: () -> String) {
        show(text(), elapsed: UInt64(exactly: (elapsed * 1e9).rounded()) ?? lastShown)
    }

    func clear() {
        if isShown { write("\r\u{1B}[K") }
        lastShown = 0
    }

    static func line(_ name: String, _ progress: BenchProgress) -> String {
        let byCount = Double(progress.endedCount) / Double(max(1, progress.totalCount))
        let byTime = Double(progress.elapsed) / Double(max(1, progress.elapsedLimit))
        let share = min(1, max(byCount, byTime))
        return "\(name) [\(bar(share))] \(progress.endedCount) answered, \(progress.runningCount) under way, "
            + "\(Readable.fixed(Double(progress.elapsed) / 1e9, 0)) s"
    }

    /// - Parameter share: what is done, 0 to 1.
    static func bar(_ share: Double) -> String {
        let done = min(width, max(0, Int(exactly: (share * Double(width)).rounded(.down)) ?? 0))
        return String(repeating: "#", count: done) + String(repeating: ".", count: width - done)
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
