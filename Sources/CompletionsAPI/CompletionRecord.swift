import Engine

/// What is known of a completion when it is over: the one log line of a request is made of it.
package struct CompletionRecord: Sendable, Equatable {
    package enum Outcome: String, Sendable {
        case finished
        /// The engine could not compute it.
        case failed
        /// It waited for too long.
        case expired
        /// The client hung up.
        case abandoned
    }

    /// The completion's id, as the client got it.
    package var id: String
    /// The name of the key that it was asked with.
    package var key: String?
    /// The request's `user`, as sent.
    package var user: [UInt8]?
    package var isStreamed: Bool
    package var choiceCount: Int
    package var promptTokenCount: Int
    package var completionTokenCount = 0
    package var outcome = Outcome.abandoned
    /// From the validated request to its end.
    package var elapsed = Duration.zero

    init(id: String, _ call: CompletionCall) {
        self.id = id
        user = call.user
        isStreamed = call.delivery != .whole
        choiceCount = call.prompts.count * call.choiceCount
        promptTokenCount = call.prompts.reduce(0) { $0 + $1.tokens.count }
    }
}

/// Keeps a record while its completion lives, and reports it once, when the keeper goes: with the answer, with the error,
/// or with the client.
final class RecordKeeper {
    private var record: CompletionRecord
    private let environment: ServiceEnvironment
    private let started: Duration

    init(_ record: CompletionRecord, _ environment: ServiceEnvironment) {
        self.record = record
        self.environment = environment
        started = environment.uptime()
    }

    func take(_ usage: Usage, isFinished: Bool) {
        record.completionTokenCount = usage.completionCount
        if isFinished { record.outcome = .finished }
    }

    /// A client that hung up ends the engine's streams, which then looks like a failure of theirs.
    func fail(_ error: APIError) {
        record.outcome = Task.isCancelled ? .abandoned : error.code == .serverOverloaded ? .expired : .failed
    }

    deinit {
        record.elapsed = environment.uptime() - started
        environment.report(record)
    }
}
