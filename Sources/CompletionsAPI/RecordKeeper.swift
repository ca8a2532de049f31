import Engine
import HTTPTypes
import InferenceTypes
import Tenancy

/// Keeps a record while its completion lives, and reports it once, when the keeper goes: with the answer, with the error,
/// or with the client.
final class RecordKeeper {
    /// What is known when the engine has taken a completion.
    struct Start: Sendable {
        var record: CompletionRecord
        var call: CompletionCall
        var environment: ServiceEnvironment
        var metrics: ServiceMetrics?
        /// Nil where there are no keys.
        var ticket: Ticket?
        /// By the environment's `uptime`.
        var arrival: Duration
        var admission: Duration
    }

    private var record: CompletionRecord
    private let start: Start
    private var firstToken: Duration?
    private var lastToken: Duration?
    /// By run and choice.
    private var lastTokens: [[Int]: Duration] = [:]

    init(_ start: Start) {
        self.start = start
        record = start.record
    }

    /// Notes when it was said, and why a choice ended.
    func hear(_ item: EventMerger.Item) {
        guard case .event(let event, let run, let time) = item else { return }
        switch event {
        case .started(let waited): record.queueTime = min(record.queueTime ?? waited, waited)
        case .delta(let delta) where !delta.tokens.isEmpty: hearTokens(of: [run, delta.choice], at: time)
        // Of choices that are ranked, only those that are answered count.
        case .finished(let finished) where !start.call.isRanked:
            let count = start.call.runs[run].choices(hearing: finished.choice).count
            record.finishes.add(FinishCounts.Reason(finished.reason), count: count)
        case .delta, .finished, .prompt, .explained: break
        }
    }

    private func hearTokens(of choice: [Int], at time: Duration) {
        if let last = lastTokens[choice] { start.metrics?.countGap(time - last) }
        lastTokens[choice] = time
        firstToken = firstToken ?? time
        lastToken = time
    }

    func take(_ usage: Usage, isFinished: Bool) {
        record.completionTokenCount = usage.completionCount
        record.cachedTokenCount = usage.cachedCount
        guard isFinished else { return }
        record.outcome = .finished
        record.status = 200
    }

    /// The answered choices, where only the best are.
    func take(_ reasons: [FinishReason]) {
        guard start.call.isRanked else { return }
        for reason in reasons { record.finishes.add(FinishCounts.Reason(reason)) }
    }

    /// A client that hung up ends the engine's streams, which then looks like a failure of theirs.
    ///
    /// - Parameter isHeadSent: 200 was said before.
    func fail(_ error: APIError, isHeadSent: Bool = false) {
        record.outcome = Task.isCancelled ? .abandoned : error.code == .serverOverloaded ? .expired : .failed
        record.status =
            record.outcome == .abandoned ? CompletionRecord.clientClosed : isHeadSent ? 200 : error.status.code
        // Whole answers are not worth their half.
        if start.call.delivery == .whole { record.finishes = FinishCounts() }
    }

    deinit {
        record.elapsed = start.environment.uptime() - start.arrival
        closeChoices()
        record.firstTokenTime = firstToken.map { $0 - start.arrival }
        if let firstToken, let lastToken {
            record.promptTime = max(.zero, firstToken - start.admission - (record.queueTime ?? .zero))
            record.decodeTime = lastToken - firstToken
        }
        start.metrics?.count(record)
        start.environment.report(record)
    }

    /// Each choice ends once: what did not end by itself ended as the completion did.
    private func closeChoices() {
        let openCount = record.choiceCount - record.finishes.total
        guard openCount > 0 else { return }
        switch record.outcome {
        case .finished, .failed: record.finishes.add(.error, count: openCount)
        case .expired: record.finishes.add(.timeout, count: openCount)
        case .abandoned: record.finishes.add(.abort, count: openCount)
        }
    }
}
