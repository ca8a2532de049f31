package import Logging
package import Tokenization
package import Transformer

/// Many requests, one model: takes requests from anywhere, computes them together on its own thread, and streams to
/// each what it generated.
///
/// Every accepted request ends exactly once: its stream's last event is `.finished`.
package final class GenerationEngine: Sendable {
    /// Computes one plan. Tests script it.
    package typealias Forward = (BatchPlan) throws -> Logits

    private let configuration: EngineConfiguration
    private let mailbox: Mailbox

    /// Starts the engine thread and returns when the model is ready.
    ///
    /// - Parameter makeForward: called once, on the engine thread, where what it makes stays: weights, KV cache,
    ///   scratch.
    /// - Throws: what `makeForward` throws, or `EngineThreadError`.
    package init(
        configuration: EngineConfiguration, tokenizer: Tokenizer, logger: Logger,
        makeForward: @escaping @Sendable () throws -> Forward
    ) async throws {
        let mailbox = Mailbox(
            maxWaitingRequests: configuration.maxWaitingRequests, maxWaitingTokens: configuration.maxWaitingTokens)
        self.configuration = configuration
        self.mailbox = mailbox
        try EngineThread.start {
            do {
                var loop = EngineLoop(
                    configuration: configuration, tokenizer: tokenizer, logger: logger, mailbox: mailbox,
                    forward: try makeForward())
                mailbox.markStarted()
                loop.run()
                mailbox.markEnded()
            } catch {
                mailbox.markEnded(error)
            }
        }
        try await mailbox.waitUntilStarted()
    }

    /// Ends the thread, and with it what is still running.
    deinit { mailbox.close(.stop) }

    /// Accepts a request and streams its events. Who stops listening, by ending the iteration or by being cancelled,
    /// cancels the request: its blocks are free within a step.
    ///
    /// The stream buffers without bound because its events are bounded: a few for each token, and one for each end.
    ///
    /// - Requires: the request is valid for the model; its stop strings are well-formed UTF-8.
    /// - Throws: at once, with nothing queued, when the request can never fit, too many wait, or the engine drains.
    package func generate(_ request: GenerationRequest) throws(AdmissionError) -> Generation {
        precondition(!request.promptTokens.isEmpty && request.stop.maxTokens >= 0 && request.width > 0)
        let limit = configuration.maxSequenceTokens
        guard request.promptTokens.count <= limit, request.stop.maxTokens <= limit - request.promptTokens.count else {
            throw .tooLong(limit: limit)
        }
        let capacity = configuration.sequenceCapacity(request)
        guard request.width <= capacity else { throw .tooWide(limit: capacity) }
        let id = mailbox.makeID()
        let (stream, sink) = AsyncStream.makeStream(of: GenerationEvent.self, bufferingPolicy: .unbounded)
        try mailbox.submit(Submission(id: id, request: request, sink: sink))
        sink.onTermination = { [mailbox] termination in
            if case .cancelled = termination { mailbox.cancel(id) }
        }
        return Generation(events: stream, cancel: { [mailbox] in mailbox.cancel(id) })
    }

    /// What the engine was doing after its last step. Cheap, from any thread.
    package var statistics: EngineStatistics { mailbox.statistics }

    /// Takes no more requests, finishes those that are accepted, and returns when the engine thread has ended.
    package func drain() async {
        mailbox.close(.drain)
        await mailbox.waitUntilEnded()
    }

    /// Takes no more requests and ends those that are accepted with `.failed`, after the current step. Also cuts a
    /// running `drain` short.
    package func stop() { mailbox.close(.stop) }
}
