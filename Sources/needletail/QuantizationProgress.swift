import Checkpoints
import Dispatch
import Glibc
import Quantization

/// Lines about how far the writing is, one a second at most.
struct QuantizationProgress {
    private let tensorCount: Int
    private let byteCount: Int
    private var doneTensorCount = 0
    private var doneByteCount = 0
    private var last = ContinuousClock.now

    init(_ job: QuantizationJob) {
        tensorCount = job.steps.count
        byteCount = job.steps.reduce(0) { $0 + $1.tensor.byteCount }
    }

    mutating func take(_ outcome: QuantizationJob.Outcome) {
        doneTensorCount += 1
        doneByteCount += outcome.step.tensor.byteCount
        let now = ContinuousClock.now
        guard now - last >= .seconds(1) else { return }
        last = now
        Console.say(
            "\(doneTensorCount) of \(tensorCount) tensors, \(Readable.bytes(doneByteCount)) of "
                + Readable.bytes(byteCount))
    }
}

/// Takes a temporary file away when the program is told to stop.
final class TemporaryFileGuard {
    private let sources: [any DispatchSourceSignal]

    /// - Source: a shell's status for a command that a signal ended is 128 and its number.
    init(path: String) {
        // So that a limit on the size of files is an error of writing.
        signal(SIGXFSZ, SIG_IGN)
        sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                unlink(path)
                _exit(128 + number)
            }
            source.activate()
            return source
        }
    }

    func end() {
        for source in sources { source.cancel() }
        for number in [SIGINT, SIGTERM, SIGHUP] { signal(number, SIG_DFL) }
    }
}
