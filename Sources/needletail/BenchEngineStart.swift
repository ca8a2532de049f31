import Engine
import Logging
import Transformer

/// When the engine began to compute a step, and what it was.
struct BenchStep: Sendable, Equatable {
    /// - Units: nanoseconds of a monotonic clock.
    var started: UInt64
    var rowCount: Int
    var tokenCount: Int

    /// Mean nanoseconds of the first `count` steps in which each of `streamCount` sequences has its next token, and which
    /// are followed by another step; nil where there are fewer.
    static func meanTime(_ steps: [BenchStep], streamCount: Int, count: Int) -> Double? {
        let times = zip(steps, steps.dropFirst()).compactMap { step, next -> UInt64? in
            step.rowCount == streamCount && step.tokenCount == streamCount ? next.started - step.started : nil
        }
        guard count > 0, times.count >= count else { return nil }
        return Double(times.prefix(count).reduce(0, +)) / Double(count)
    }
}

extension LoadedModel {
    /// As `startEngine`, with an engine that says when it begins each step: who waits for its events may be woken late.
    func startEngine(
        logger: Logger, steps: AsyncStream<BenchStep>.Continuation
    ) async throws(StartError) -> GenerationEngine {
        try await startEngine(logger: logger) { plan in
            steps.yield(
                BenchStep(
                    started: EngineStatistics.monotonicNanoseconds(), rowCount: plan.rowCount,
                    tokenCount: plan.tokenCount))
        }
    }
}
