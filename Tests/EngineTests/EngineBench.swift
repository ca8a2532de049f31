import Foundation
import InferenceTypes
import Logging
import Sampling
import Testing
import Transformer

@testable import Engine

/// An engine without its thread: tests step it by hand.
struct EngineBench {
    let configuration: EngineConfiguration
    let model: ScriptedModel
    let log = LogRecorder()
    let mailbox: Mailbox
    let clock = TestClock()
    private(set) var loop: EngineLoop

    init(_ configuration: EngineConfiguration, vocabulary: [TokenID] = ScriptedModel.everyToken) throws {
        var configuration = configuration
        // The clock stands still, which says nothing about the time of a step.
        configuration.pacing = .unlimited
        self.configuration = configuration
        let model = ScriptedModel(configuration, vocabulary: vocabulary)
        self.model = model
        mailbox = Mailbox(
            maxWaitingRequests: configuration.maxWaitingRequests, maxWaitingTokens: configuration.maxWaitingTokens)
        loop = EngineLoop(
            configuration: configuration, tokenizer: try TestTokenizer.make(), logger: log.logger, mailbox: mailbox,
            clock: { [clock] in clock.nanoseconds }, forward: { try model.forward($0) })
    }

    var statistics: EngineStatistics { mailbox.statistics }

    /// - Parameter arrival: nanoseconds of the bench's clock.
    func submit(_ request: GenerationRequest, arrival: UInt64 = 0) throws -> (
        id: RequestID, events: AsyncStream<GenerationEvent>
    ) {
        let (events, sink) = AsyncStream.makeStream(of: GenerationEvent.self)
        let id = mailbox.makeID()
        try mailbox.submit(Submission(id: id, request: request, sink: sink, arrival: arrival))
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

/// Time that stands still until a test moves it.
final class TestClock {
    var nanoseconds: UInt64 = 0
}

/// All that a client heard of one choice.
struct Answer: Equatable {
    var text: [UInt8] = []
    var generated: [GeneratedToken] = []
    var reasons: [FinishReason] = []
    var beamScore: Float?
    var deltaCount = 0

    var tokens: [TokenID] { generated.map(\.id) }

    init() {}

    /// A request with one choice.
    init(_ events: AsyncStream<GenerationEvent>) async { self = await Answers(events).choices[0] ?? Answer() }

    init(_ generation: Generation) async { await self.init(generation.events) }

    mutating func take(_ delta: TextDelta) {
        #expect(reasons.isEmpty, "nothing follows the end")
        #expect(String(validating: delta.text, as: UTF8.self) != nil)
        text += delta.text
        generated += delta.tokens
        deltaCount += 1
    }
}

/// All that a client heard.
struct Answers: Equatable {
    var prompt: [TokenLogprobs]?
    var choices: [Int: Answer] = [:]
    var explanations: [StepExplanation] = []
    var generatedTokenCount = 0
    private var hasStarted = false

    init(_ events: AsyncStream<GenerationEvent>) async {
        for await event in events {
            switch event {
            case .started:
                #expect(!hasStarted && prompt == nil && choices.isEmpty, "the start comes first, and once")
                hasStarted = true
            case .prompt(let logprobs):
                #expect(prompt == nil && choices.isEmpty, "the prompt comes first")
                prompt = logprobs
            case .delta(let delta): choices[delta.choice, default: Answer()].take(delta)
            case .finished(let finished):
                choices[finished.choice, default: Answer()].reasons.append(finished.reason)
                choices[finished.choice]?.beamScore = finished.beamScore
                generatedTokenCount = finished.generatedTokenCount
            case .explained(let explanation): explanations.append(explanation)
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
        .numbered(
            number, promptCount: promptCount, maxTokens: maxTokens, mode: .sampling(sampling, choices: 0..<1),
            stopStrings: stopStrings)
    }

    static func numbered(
        _ number: Int, promptCount: Int, maxTokens: Int, mode: DecodingMode, stopStrings: [[UInt8]] = []
    ) -> Self {
        GenerationRequest(
            promptTokens: (0..<promptCount).map { TokenID((number + $0 * 7) % 256) }, mode: mode,
            stop: StopConditions(
                maxTokens: maxTokens, endOfSequence: [TestTokenizer.endOfSequence], strings: stopStrings))
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
