import Glibc

/// What the engine was doing after its last step: a snapshot for `/health`, metrics and tests.
package struct EngineStatistics: Sendable, Equatable {
    /// Requests that hold KV blocks or are about to.
    package var runningCount = 0
    /// Requests that are accepted and not started.
    package var waitingCount = 0
    package var freeBlockCount = 0
    package var totalBlockCount = 0
    /// Steps that called the model, failed ones included.
    package var stepCount = 0
    /// Tokens that the model computed: of prompts, and generated ones but the last of each choice.
    package var computedTokenCount = 0
    package var generatedTokenCount = 0
    /// When the engine last began or finished a step, or was woken by a request. Only of interest while not idle.
    ///
    /// - Units: nanoseconds of `monotonicNanoseconds()`.
    package var lastProgressNanoseconds: UInt64 = 0
    /// No request is taken any more.
    package var isDraining = false
    /// The engine thread has ended.
    package var isEnded = false

    package init() {}

    /// Nothing to do, so that no progress is expected.
    package var isIdle: Bool { runningCount == 0 && waitingCount == 0 }

    /// The clock of `lastProgressNanoseconds`.
    package static func monotonicNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
