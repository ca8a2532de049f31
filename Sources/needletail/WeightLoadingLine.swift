import Glibc
import Logging
import Transformer

/// What people hear of weights that are packed: a bar on the terminal where it takes more than a moment, one line
/// afterwards where it did or where a cache was asked for, and a warning for a cache that does not work.
final class WeightLoadingLine {
    private let logger: Logger
    private let now: () -> ContinuousClock.Instant
    private let terminal: ProgressLine
    private let started: ContinuousClock.Instant
    private var phases: [WeightLoading.Phase: (start: ContinuousClock.Instant, end: ContinuousClock.Instant)] = [:]
    private var byteCount = 0
    private var (mapped, written): (String?, String?)

    /// Less is not worth a line.
    private static let moment = Duration.milliseconds(500)

    init(
        _ logger: Logger, terminal: ProgressLine = ProgressLine(),
        now: @escaping () -> ContinuousClock.Instant = { .now }
    ) {
        self.logger = logger
        self.terminal = terminal
        self.now = now
        started = now()
    }

    func take(_ event: WeightLoading.Event) {
        switch event {
        case .progress(let phase, let done, let total):
            let time = now()
            byteCount = total
            // A phase begins where the one before ended.
            let start = phases[phase]?.start ?? phases.values.map(\.end).max() ?? started
            phases[phase] = (start, time)
            guard time - started >= Self.moment else { return }
            let elapsed = UInt64(max(0, (time - started) / .nanoseconds(1)))
            if done < total { terminal.show(Self.text(phase, done, total), elapsed: elapsed) }
        case .mapped(let file): mapped = file
        case .written(let file): written = file
        case .unused(let file, let reason): warn("the file of packed weights is not used", file, reason)
        case .notWritten(let file, let reason): warn("packed weights could not be kept", file, reason)
        }
    }

    private func warn(_ message: Logger.Message, _ file: String, _ reason: String) {
        clear()
        logger.warning(message, metadata: ["file": "\(file)", "reason": "\(reason)"])
    }

    static func text(_ phase: WeightLoading.Phase, _ done: Int, _ total: Int) -> String {
        let verb =
            switch phase {
            case .checking: "checking"
            case .packing: "packing"
            case .writing: "writing"
            }
        let bar = ProgressLine.bar(Double(done) / Double(max(1, total)))
        return "\(verb) weights [\(bar)] \(Readable.bytes(done)) of \(Readable.bytes(total))"
    }

    /// Takes the bar away: what comes next is another line.
    func clear() { terminal.clear() }

    /// To be called when the weights are there.
    ///
    /// - Returns: a line about it, nil where there is nothing to say.
    func finish() -> String? {
        clear()
        func seconds(_ phase: WeightLoading.Phase) -> String {
            Readable.seconds(phases[phase].map { $0.end - $0.start } ?? .zero)
        }
        let size = Readable.bytes(byteCount)
        if let mapped { return "\(size) of packed weights mapped from \(mapped) in \(seconds(.checking))" }
        let packed = "\(size) of weights packed in \(seconds(.packing))"
        if let written { return packed + ", written to \(written) in \(seconds(.writing))" }
        return phases[.packing].map { $0.end - $0.start >= Self.moment } ?? false ? packed : nil
    }
}
