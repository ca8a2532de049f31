import Dispatch
import InferenceTypes
import Logging
import Testing
import Transformer

@testable import Engine

/// With the real thread.
struct GenerationEngineTests {
    private static let configuration = EngineConfiguration(blockSize: 4, blockCount: 64, contextCount: 128)
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static func engine(_ configuration: EngineConfiguration, gate: Gate? = nil) async throws -> GenerationEngine
    {
        try await GenerationEngine(
            configuration: configuration, tokenizer: try TestTokenizer.make(), logger: logger
        ) {
            let model = ScriptedModel(configuration, vocabulary: [97, 98, 99])
            return { plan in
                gate?.pass()
                return try model.forward(plan)
            }
        }
    }

    /// Lets the engine thread make so many steps.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)
        func pass() { semaphore.wait() }
        func open(_ count: Int) { for _ in 0..<count { semaphore.signal() } }
    }

    @Test("100 requests from 100 tasks end once each, with what they get alone")
    func manyClients() async throws {
        let engine = try await Self.engine(Self.configuration)
        let model = ScriptedModel(Self.configuration, vocabulary: [97, 98, 99])
        let answers = try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
            for number in 0..<100 {
                group.addTask {
                    let request = GenerationRequest.numbered(number, promptCount: 1 + number % 20, maxTokens: 20)
                    return (number, await Answer(try engine.generate(request)))
                }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        #expect(answers.count == 100)
        for (number, answer) in answers {
            let request = GenerationRequest.numbered(number, promptCount: 1 + number % 20, maxTokens: 20)
            #expect(answer.tokens == model.plainTokens(request) && answer.reasons == [.length])
        }
        #expect(engine.statistics.isIdle && engine.statistics.freeBlockCount == 64)
        #expect(engine.statistics.generatedTokenCount == 2000)
        await engine.drain()
        #expect(engine.statistics.isEnded)
    }

    @Test(
        "what cannot fit is refused at once with what would",
        arguments: [
            (64, 128, 100, 29, 128), (64, 128, 200, 0, 128), (8, 128, 30, 3, 32), (64, 128, 1, Int.max, 128),
        ])
    func tooLong(blockCount: Int, contextCount: Int, promptCount: Int, maxTokens: Int, limit: Int) async throws {
        let engine = try await Self.engine(
            EngineConfiguration(blockSize: 4, blockCount: blockCount, contextCount: contextCount))
        #expect(throws: AdmissionError.tooLong(limit: limit)) {
            _ = try engine.generate(.numbered(1, promptCount: promptCount, maxTokens: maxTokens))
        }
        let longest = GenerationRequest.numbered(1, promptCount: limit - 2, maxTokens: 2)
        #expect(await Answer(try engine.generate(longest)).reasons == [.length])
    }

    @Test("who stops listening is cancelled", arguments: ["break", "task"])
    func hangUp(way: String) async throws {
        let gate = Gate()
        let engine = try await Self.engine(Self.configuration, gate: gate)
        let request = GenerationRequest.numbered(1, promptCount: 3, maxTokens: 100)
        gate.open(1)
        if way == "break" {
            for await _ in try engine.generate(request).events { break }
        } else {
            let events = try engine.generate(request).events
            let first = DispatchSemaphore(value: 0)
            let task = Task {
                for await _ in events { first.signal() }
            }
            await withCheckedContinuation { waiter in
                DispatchQueue.global().async {
                    first.wait()
                    waiter.resume()
                }
            }
            task.cancel()
            await task.value
        }
        // The cancel is in the mailbox before this request, so it is done when this request is.
        gate.open(100)
        #expect(await Answer(try engine.generate(.numbered(2, promptCount: 3, maxTokens: 4))).tokens.count == 4)
        #expect(engine.statistics.isIdle && engine.statistics.freeBlockCount == 64)
        #expect(engine.statistics.generatedTokenCount < 10)
    }

    @Test("a drain refuses the new and finishes the accepted")
    func drain() async throws {
        let gate = Gate()
        let engine = try await Self.engine(
            EngineConfiguration(blockSize: 4, blockCount: 64, contextCount: 128, maxRunningSequences: 1), gate: gate)
        let streams = try (0..<3).map { try engine.generate(.numbered($0, promptCount: 3, maxTokens: 5)) }
        async let drained: Void = engine.drain()
        while !engine.statistics.isDraining { await Task.yield() }
        #expect(throws: AdmissionError.draining) {
            _ = try engine.generate(.numbered(1, promptCount: 3, maxTokens: 5))
        }
        gate.open(100)
        await drained
        for events in streams { #expect(await Answer(events).tokens.count == 5) }
        #expect(engine.statistics.isEnded && engine.statistics.isIdle)
    }

    @Test("a hard stop cuts a drain short")
    func stop() async throws {
        let gate = Gate()
        let engine = try await Self.engine(Self.configuration, gate: gate)
        let events = try engine.generate(.numbered(1, promptCount: 3, maxTokens: 100)).events
        async let drained: Void = engine.drain()
        while !engine.statistics.isDraining { await Task.yield() }
        engine.stop()
        gate.open(1)
        await drained
        let answer = await Answer(events)
        #expect(answer.reasons == [.failed(EngineLoop.stopMessage)])
        #expect(answer.tokens.count <= 1)
    }

    @Test("a model that cannot be loaded is an error of the start")
    func startFails() async throws {
        struct NoModel: Error {}
        let tokenizer = try TestTokenizer.make()
        await #expect(throws: NoModel.self) {
            _ = try await GenerationEngine(
                configuration: Self.configuration, tokenizer: tokenizer, logger: Self.logger
            ) { throw NoModel() }
        }
    }
}
