import Glibc

/// What the engine was doing after its last step: a snapshot for `/health`, metrics and tests.
package struct EngineStatistics: Sendable, Equatable {
    /// Requests that hold KV blocks or are about to.
    package var runningCount = 0
    /// Of these, beam searches.
    package var runningBeamCount = 0
    /// Requests that are accepted and not started.
    package var waitingCount = 0
    package var freeBlockCount = 0
    package var totalBlockCount = 0
    /// Steps that called the model, failed ones included.
    package var stepCount = 0
    /// Tokens that the model computed: of prompts, and generated ones but the last of each choice.
    package var computedTokenCount = 0
    package var generatedTokenCount = 0
    /// Free blocks that still hold a prefix which a later request may find.
    package var cachedBlockCount = 0
    /// Tokens of the prompts that wait.
    package var waitingTokenCount = 0
    /// Times that a running request had to give back its blocks and wait again.
    package var preemptionCount = 0
    /// Prompt tokens of requests that have started, and how many of them came from the prefix cache.
    package var startedPromptTokenCount = 0
    package var cachedPromptTokenCount = 0
    /// Requests that have started.
    package var startedCount = 0
    /// When a refused request may try again: by the rate of starts, what waits now has started then.
    ///
    /// - Units: seconds, 1…120.
    package var retryAfterSeconds = 1
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
