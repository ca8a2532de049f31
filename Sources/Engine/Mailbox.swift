import Glibc
import InferenceTypes

/// A request on its way to the engine thread.
struct Submission: Sendable {
    var id: RequestID
    var request: GenerationRequest
    var sink: AsyncStream<GenerationEvent>.Continuation
    /// - Units: nanoseconds of `EngineStatistics.monotonicNanoseconds()`.
    var arrival = EngineStatistics.monotonicNanoseconds()
}

/// What others ask of the engine thread.
enum EngineCommand: Sendable {
    case submit(Submission)
    case cancel(RequestID)
    /// Finish what was accepted, then end.
    case drain
    /// End everything that was accepted, then end.
    case stop
}

/// Where the engine thread and the rest meet: commands in, a snapshot of statistics out, and how far the thread's life
/// has come. The engine's only lock.
///
/// `@unchecked Sendable`: every stored variable is read and written under `mutex`. (`Synchronization.Mutex` would need
/// no such claim; ThreadSanitizer reports races through it that are none.)
final class Mailbox: @unchecked Sendable {
    enum Life {
        case starting
        case running
        case ended((any Error)?)
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private let maxWaitingRequests: Int
    private let maxWaitingTokens: Int
    private var commands: [EngineCommand] = []
    private var submittedCount = 0
    private var submittedTokenCount = 0
    private var nextNumber: UInt64 = 0
    private var isClosed = false
    private var snapshot = EngineStatistics()
    private var life = Life.starting
    private var startWaiters: [CheckedContinuation<Void, Never>] = []
    private var endWaiters: [CheckedContinuation<Void, Never>] = []

    init(maxWaitingRequests: Int, maxWaitingTokens: Int = .max) {
        self.maxWaitingRequests = maxWaitingRequests
        self.maxWaitingTokens = maxWaitingTokens
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    private func locked<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }
}

// MARK: - For everyone

extension Mailbox {
    func makeID() -> RequestID {
        locked {
            nextNumber += 1
            return RequestID(number: nextNumber)
        }
    }

    /// Queues a request, or says at once why not. What waits inside the engine and what is still here count together.
    func submit(_ submission: Submission) throws(AdmissionError) {
        try locked { () throws(AdmissionError) in
            guard !isClosed else { throw .draining }
            let tokenCount = submission.request.promptTokens.count
            guard hasRoom(for: tokenCount) else { throw .queueFull(retryAfter: snapshot.retryAfterSeconds) }
            // Who was idle owes progress from now on, not from when it went idle.
            if snapshot.isIdle && submittedCount == 0 {
                snapshot.lastProgressNanoseconds = EngineStatistics.monotonicNanoseconds()
            }
            submittedCount += 1
            submittedTokenCount += tokenCount
            commands.append(.submit(submission))
            pthread_cond_signal(condition)
        }
    }

    /// Whether one more request may wait. A prompt that is longer than all that may wait does so alone.
    private func hasRoom(for tokenCount: Int) -> Bool {
        let waitingCount = submittedCount + snapshot.waitingCount
        let waitingTokenCount = submittedTokenCount + snapshot.waitingTokenCount
        return waitingCount == 0
            || waitingCount < maxWaitingRequests && tokenCount <= maxWaitingTokens - waitingTokenCount
    }

    /// Does nothing when the request has ended.
    func cancel(_ id: RequestID) {
        locked {
            commands.append(.cancel(id))
            pthread_cond_signal(condition)
        }
    }

    /// Lets no request in any more and says how to end.
    func close(_ command: EngineCommand) {
        locked {
            isClosed = true
            snapshot.isDraining = true
            commands.append(command)
            pthread_cond_signal(condition)
        }
    }

    var statistics: EngineStatistics {
        locked {
            var statistics = snapshot
            statistics.waitingCount += submittedCount
            statistics.waitingTokenCount += submittedTokenCount
            return statistics
        }
    }

    /// Returns when the engine thread is ready; throws why it could not get ready.
    func waitUntilStarted() async throws {
        await withCheckedContinuation { waiter in
            locked {
                if case .starting = life { startWaiters.append(waiter) } else { waiter.resume() }
            }
        }
        if case .ended(let error?) = locked({ life }) { throw error }
    }

    /// Returns when the engine thread has nothing left to do.
    func waitUntilEnded() async {
        await withCheckedContinuation { waiter in
            locked {
                if case .ended = life { waiter.resume() } else { endWaiters.append(waiter) }
            }
        }
    }
}

// MARK: - For the engine thread

extension Mailbox {
    /// Takes all commands, without waiting. The requests among them count as waiting from here on.
    func drain() -> [EngineCommand] {
        locked {
            snapshot.waitingCount += submittedCount
            snapshot.waitingTokenCount += submittedTokenCount
            submittedCount = 0
            submittedTokenCount = 0
            defer { commands = [] }
            return commands
        }
    }

    /// Sleeps until there is a command. Returns at once where the mailbox is closed: nothing may be to come.
    func wait() {
        locked {
            while commands.isEmpty && !isClosed { pthread_cond_wait(condition, mutex) }
        }
    }

    func record(_ statistics: EngineStatistics) {
        locked {
            snapshot = statistics
            snapshot.isDraining = isClosed
        }
    }

    func markStarted() { advance(to: .running) }

    /// The last word of the engine thread.
    func markEnded(_ error: (any Error)? = nil) { advance(to: .ended(error)) }

    private func advance(to next: Life) {
        let waiters = locked {
            life = next
            var waiters = startWaiters
            startWaiters = []
            if case .ended = next {
                isClosed = true
                snapshot.isEnded = true
                waiters += endWaiters
                endWaiters = []
            }
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
