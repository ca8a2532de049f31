import Engine
import InferenceTypes
import Telemetry
import Tenancy

/// What is known of a completion when it is over: the one log line of a request and its metrics are made of it. Nothing in
/// it is of the prompt or of the answer's text.
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
    /// The header `x-request-id` of the answer.
    package var requestID: String
    package var traceID: String
    package var model: String
    /// The name of the key that it was asked with.
    package var key: String?
    /// The request's `user`, as sent.
    package var user: [UInt8]?
    package var isStreamed: Bool
    /// Of all prompts.
    package var choiceCount: Int
    /// Of each prompt: `n`.
    package var requestedCount: Int
    package var maxTokens: Int
    package var promptTokenCount: Int
    /// Of these, what came from the prefix cache.
    package var cachedTokenCount = 0
    package var completionTokenCount = 0
    package var outcome = Outcome.abandoned
    /// As sent; 499 where the client hung up.
    package var status = Self.clientClosed
    package var finishes = FinishCounts()
    /// From its arrival to its end.
    package var elapsed = Duration.zero
    /// From its arrival to the first token; nil where there was none.
    package var firstTokenTime: Duration?
    /// Waiting for the engine to begin; nil where it did not.
    package var queueTime: Duration?
    /// Computing, to the first token.
    package var promptTime: Duration?
    /// From the first to the last token.
    package var decodeTime: Duration?

    /// nginx's status for a client that went away.
    package static let clientClosed = 499

    init(id: String, _ call: CompletionCall, model: String, _ context: RequestContext) {
        self.id = id
        requestID = context.requestID(inBody: call.requestID.map { String(decoding: $0, as: UTF8.self) })
        traceID = context.trace.traceID
        self.model = model
        key = context.key?.name
        user = call.user
        isStreamed = call.delivery != .whole
        choiceCount = call.prompts.count * call.choiceCount
        requestedCount = call.choiceCount
        maxTokens = call.runs.first?.request.stop.maxTokens ?? 0
        promptTokenCount = call.prompts.reduce(0) { $0 + $1.tokens.count }
    }
}
