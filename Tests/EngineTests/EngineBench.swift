import Foundation
import InferenceTypes
import Logging
import Testing
import Transformer

@testable import Engine

/// An engine without its thread: tests step it by hand.
struct EngineBench {
    let configuration: EngineConfiguration
    let model: ScriptedModel
    let log = LogRecorder()
    let mailbox: Mailbox
    private var loop: EngineLoop

    init(_ configuration: EngineConfiguration, vocabulary: [TokenID] = ScriptedModel.everyToken) throws {
        self.configuration = configuration
        let model = ScriptedModel(configuration, vocabulary: vocabulary)
        self.model = model
        mailbox = Mailbox(maxWaitingRequests: configuration.maxWaitingRequests)
        loop = EngineLoop(
            configuration: configuration, tokenizer: try TestTokenizer.make(), logger: log.logger, mailbox: mailbox,
            forward: { try model.forward($0) })
    }

    var statistics: EngineStatistics { mailbox.statistics }

    func submit(_ request: GenerationRequest) throws -> (id: RequestID, events: AsyncStream<GenerationEvent>) {
        let (events, sink) = AsyncStream.makeStream(of: GenerationEvent.self)
        let id = mailbox.makeID()
        try mailbox.submit(Submission(id: id, request: request, sink: sink))
        return (id, events)
    }

    /// - Requires: something will be left to compute, or the step would sleep.
    mutating func step(_ count: Int = 1) {
        for _ in 0..<count { loop.step() }
    }

    /// Closes the mailbox and steps until everything has ended.
    mutating func runToEnd() {
        mailbox.close(.drain)
        loop.run()
    }
}

/// All that a client heard.
struct Answer: Equatable {
    var text: [UInt8] = []
    var tokens: [TokenID] = []
    var reasons: [FinishReason] = []
    var deltaCount = 0

    init() {}

    init(_ events: AsyncStream<GenerationEvent>) async {
        for await event in events {
            switch event {
            case .delta(let delta):
                #expect(reasons.isEmpty, "nothing follows the end")
                #expect(String(validating: delta.text, as: UTF8.self) != nil)
                text += delta.text
                tokens += delta.tokens
                deltaCount += 1
            case .finished(_, let reason): reasons.append(reason)
            }
        }
    }
}

extension GenerationRequest {
    /// A prompt that names its request.
    static func numbered(
        _ number: Int, promptCount: Int, maxTokens: Int,
        sampling: SamplingParameters = SamplingParameters(temperature: 0), stopStrings: [[UInt8]] = []
    ) -> Self {
        GenerationRequest(
            promptTokens: (0..<promptCount).map { TokenID((number + $0 * 7) % 256) }, maxTokens: maxTokens,
            sampling: sampling, stopStrings: stopStrings)
    }
}

/// Keeps what is logged.
///
/// `@unchecked Sendable`: `lines` is read and written under `lock`.
final class LogRecorder: @unchecked Sendable {
    private let lock = NSLock()
    private var stored: [(message: String, metadata: Logger.Metadata)] = []

    var lines: [(message: String, metadata: Logger.Metadata)] { lock.withLock { stored } }

    var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            recorder.lock.withLock { recorder.stored.append((event.message.description, event.metadata ?? [:])) }
        }
    }
}
