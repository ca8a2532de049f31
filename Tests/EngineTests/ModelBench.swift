import Checkpoints
import Foundation
import InferenceTypes
import Testing
import Tokenization
import Transformer

@testable import Engine

/// A real model in an engine without its thread: requests go in together and are stepped to their ends.
struct ModelBench {
    let checkpoint: Checkpoint
    private let tokenizer: Tokenizer

    init(_ url: URL) throws {
        checkpoint = try Checkpoint.open(path: url.path)
        tokenizer = try Tokenizer(checkpoint.tokenizer)
    }

    /// What each request hears, in one engine.
    ///
    /// - Parameter blockCount: of 4 tokens each; few make requests wait for each other.
    func answers(_ requests: [GenerationRequest], blockCount: Int) async throws -> [Answers] {
        try await run(
            requests, EngineConfiguration(blockSize: 4, blockCount: blockCount, contextCount: 0, maxBatchTokens: 128)
        ).answers
    }

    /// - Parameters:
    ///   - threadCount: of the kernels.
    ///   - arrivals: how many steps come before each request; none when absent.
    func run(
        _ requests: [GenerationRequest], _ configuration: EngineConfiguration, threadCount: Int = 1,
        precision: ModelPrecision = .exact, arrivals: [Int] = []
    ) async throws -> (answers: [Answers], statistics: EngineStatistics) {
        var configuration = configuration
        configuration.contextCount = checkpoint.configuration.contextCount
        configuration.maxWaitingRequests = requests.count
        // What happens when is the same each time.
        configuration.pacing = .unlimited
        let blockCount = configuration.blockCount
        let runner = try ModelRunner(
            checkpoint,
            capacity: RunnerCapacity(
                tokenCount: configuration.maxBatchTokens, logitsCount: configuration.maxLogitsCount,
                contextCount: configuration.maxSequenceTokens, blockCount: blockCount,
                blockSize: configuration.blockSize),
            threadCount: threadCount, precision: precision)
        let mailbox = Mailbox(maxWaitingRequests: requests.count)
        var loop = EngineLoop(
            configuration: configuration, tokenizer: tokenizer, logger: LogRecorder().logger, mailbox: mailbox,
            forward: { runner.forward($0) })
        var stepCount = 0
        let streams = try requests.enumerated().map { index, request in
            while index < arrivals.count, stepCount < arrivals[index] {
                loop.step()
                stepCount += 1
            }
            #expect(configuration.sequenceCapacity(request) >= request.width)
            let (events, sink) = AsyncStream.makeStream(of: GenerationEvent.self)
            try mailbox.submit(Submission(id: mailbox.makeID(), request: request, sink: sink))
            return events
        }
        mailbox.close(.drain)
        loop.run()
        #expect(mailbox.statistics.freeBlockCount == blockCount)
        var answers: [Answers] = []
        for stream in streams { answers.append(await Answers(stream)) }
        return (answers, mailbox.statistics)
    }
}
