import InferenceTypes
import Logging
import Testing

@testable import Engine

struct EngineLoopTests {
    private static let small = EngineConfiguration(blockSize: 4, blockCount: 32, contextCount: 64, maxBatchTokens: 8)

    @Test("a request hears each token and one end, and its blocks are free")
    func oneRequest() async throws {
        var bench = try EngineBench(Self.small, vocabulary: [97, 98, 99])
        let request = GenerationRequest.numbered(1, promptCount: 5, maxTokens: 6)
        let (_, events) = try bench.submit(request)
        #expect(bench.statistics.waitingCount == 1)
        bench.step()
        #expect(bench.statistics.runningCount == 1 && bench.statistics.freeBlockCount == 30)
        bench.runToEnd()
        let answer = await Answer(events)
        #expect(answer.tokens == bench.model.plainTokens(request))
        #expect(answer.text == TestTokenizer.text(answer.tokens))
        #expect(answer.reasons == [.length])
        #expect(answer.deltaCount == 6)
        #expect(bench.statistics.isIdle && bench.statistics.freeBlockCount == 32)
        #expect(bench.statistics.stepCount == 6 && bench.statistics.generatedTokenCount == 6)
        #expect(bench.statistics.computedTokenCount == 10)
    }

    @Test("a request for no tokens ends at once without a step")
    func noTokens() async throws {
        var bench = try EngineBench(Self.small)
        let (_, events) = try bench.submit(.numbered(1, promptCount: 5, maxTokens: 0))
        bench.runToEnd()
        #expect(await Answer(events).reasons == [.length])
        #expect(bench.model.steps.isEmpty)
    }

    @Test("EOS ends a choice: it is among the tokens and not in the text")
    func endOfSequence() async throws {
        let end = TestTokenizer.endOfSequence
        var bench = try EngineBench(Self.small, vocabulary: [97, 98, end])
        let request = GenerationRequest.numbered(3, promptCount: 2, maxTokens: 40)
        let (_, events) = try bench.submit(request)
        bench.runToEnd()
        let answer = await Answer(events)
        #expect(answer.reasons == [.endOfSequence(end)])
        #expect(answer.tokens == bench.model.plainTokens(request))
        #expect(answer.tokens.last == end && answer.text.count == answer.tokens.count - 1)
    }

    @Test("cancelling frees blocks within one step", arguments: ["waiting", "in the prompt", "decoding"])
    func cancel(state: String) async throws {
        let configuration = EngineConfiguration(
            blockSize: 4, blockCount: 32, contextCount: 64, maxBatchTokens: 8,
            maxRunningSequences: state == "waiting" ? 1 : 4)
        var bench = try EngineBench(configuration, vocabulary: [97, 98])
        let (_, others) = try bench.submit(.numbered(1, promptCount: 2, maxTokens: 20))
        bench.step()
        let promptCount = state == "decoding" ? 3 : 30
        let (id, events) = try bench.submit(.numbered(2, promptCount: promptCount, maxTokens: 20))
        bench.step(2)
        let isRunning = state != "waiting"
        #expect(bench.statistics.runningCount == (isRunning ? 2 : 1))
        #expect(bench.statistics.waitingCount == (isRunning ? 0 : 1))
        bench.mailbox.cancel(id)
        bench.step()
        #expect(bench.statistics.runningCount == 1 && bench.statistics.waitingCount == 0)
        // The other has computed 2 + 3 tokens.
        #expect(bench.statistics.freeBlockCount == 30)
        let answer = await Answer(events)
        #expect(answer.reasons == [.cancelled])
        #expect(answer.tokens.count == (state == "decoding" ? 2 : 0))
        bench.runToEnd()
        #expect(await Answer(others).tokens.count == 20)
    }

    @Test("when the model throws, the step's requests fail once, it is logged once, and the next requests are served")
    func forwardThrows() async throws {
        let configuration = EngineConfiguration(
            blockSize: 4, blockCount: 32, contextCount: 64, maxBatchTokens: 8, maxRunningSequences: 2)
        var bench = try EngineBench(configuration, vocabulary: [97, 98])
        bench.model.failingSteps = [2]
        let requests = (0..<4).map { GenerationRequest.numbered($0, promptCount: 3, maxTokens: 5) }
        let streams = try requests.map { try bench.submit($0).events }
        bench.runToEnd()
        for (number, request) in requests.enumerated() {
            let answer = await Answer(streams[number])
            let plain = bench.model.plainTokens(request)
            #expect(answer.reasons == [number < 2 ? .failed(DecodingStep.forwardFailure) : .length])
            #expect(answer.tokens == (number < 2 ? Array(plain.prefix(2)) : plain))
        }
        #expect(bench.log.lines.map(\.message) == ["forward pass failed"])
        #expect(bench.log.lines.first?.metadata["rows"] == "2")
        #expect(bench.log.lines.first?.metadata["longest_context"] == "5")
        #expect(bench.statistics.freeBlockCount == 32)
    }

    @Test("a row of NaN or without any finite logit ends its own request only")
    func brokenRows() async throws {
        var bench = try EngineBench(Self.small, vocabulary: [97, 98])
        bench.model.nanPrompts = [1]
        bench.model.maskedPrompts = [3]
        let requests = (0..<5).map { number in
            GenerationRequest.numbered(
                number, promptCount: 3, maxTokens: 5, sampling: SamplingParameters(temperature: number > 1 ? 1 : 0))
        }
        let streams = try requests.map { try bench.submit($0).events }
        bench.runToEnd()
        for (number, request) in requests.enumerated() {
            let answer = await Answer(streams[number])
            let isBroken = number == 1 || number == 3
            #expect(answer.reasons == [isBroken ? .failed(DecodingStep.logitsFailure) : .length])
            #expect(answer.tokens == (isBroken ? [] : bench.model.plainTokens(request)))
        }
        #expect(bench.log.lines.map(\.message) == ["logits not usable", "logits not usable"])
        #expect(bench.statistics.freeBlockCount == 32)
    }

    @Test("the queue takes so many and no more, and takes again when one has started")
    func queueFull() async throws {
        let configuration = EngineConfiguration(
            blockSize: 4, blockCount: 32, contextCount: 64, maxRunningSequences: 1, maxWaitingRequests: 2)
        var bench = try EngineBench(configuration, vocabulary: [97])
        let request = GenerationRequest.numbered(1, promptCount: 3, maxTokens: 3)
        _ = try bench.submit(request)
        _ = try bench.submit(request)
        #expect(throws: AdmissionError.queueFull(retryAfter: 1)) { try bench.submit(request) }
        bench.step()
        _ = try bench.submit(request)
        #expect(throws: AdmissionError.queueFull(retryAfter: 1)) { try bench.submit(request) }
        bench.runToEnd()
        #expect(throws: AdmissionError.draining) { try bench.submit(request) }
        #expect(bench.statistics.generatedTokenCount == 9)
    }

    @Test("tokens of waiting prompts are bounded, too; a prompt that is longer than the bound waits alone")
    func queueTokens() async throws {
        let configuration = EngineConfiguration(
            blockSize: 4, blockCount: 64, contextCount: 128, maxRunningSequences: 1, maxWaitingTokens: 20)
        let bench = try EngineBench(configuration, vocabulary: [97])
        _ = try bench.submit(.numbered(1, promptCount: 30, maxTokens: 3))
        #expect(throws: AdmissionError.queueFull(retryAfter: 1)) {
            try bench.submit(.numbered(1, promptCount: 1, maxTokens: 3))
        }
        var other = try EngineBench(configuration, vocabulary: [97])
        for _ in 0..<2 { _ = try other.submit(.numbered(1, promptCount: 10, maxTokens: 3)) }
        #expect(other.statistics.waitingTokenCount == 20)
        #expect(throws: AdmissionError.queueFull(retryAfter: 1)) {
            try other.submit(.numbered(1, promptCount: 1, maxTokens: 3))
        }
        other.step()
        #expect(other.statistics.waitingTokenCount == 10)
        _ = try other.submit(.numbered(1, promptCount: 10, maxTokens: 3))
        other.runToEnd()
        #expect(other.statistics.waitingTokenCount == 0)
    }

    @Test("who waits too long to start hears so; who has started does not")
    func queueTimeout() async throws {
        let configuration = EngineConfiguration(
            blockSize: 4, blockCount: 32, contextCount: 64, maxRunningSequences: 1, maxQueueTime: .seconds(2))
        var bench = try EngineBench(configuration, vocabulary: [97])
        let first = try bench.submit(.numbered(1, promptCount: 3, maxTokens: 5)).events
        let second = try bench.submit(.numbered(2, promptCount: 3, maxTokens: 5)).events
        bench.step()
        bench.clock.nanoseconds = 1_999_999_999
        bench.step()
        #expect(bench.statistics.waitingCount == 1)
        bench.clock.nanoseconds = 2_000_000_000
        bench.step()
        #expect(bench.statistics.waitingCount == 0)
        bench.runToEnd()
        #expect(await Answer(first).reasons == [.length])
        #expect(await Answer(second).reasons == [.queueTimeout])
    }

    @Test("a hard stop ends everything with a reason")
    func stop() async throws {
        var bench = try EngineBench(
            EngineConfiguration(blockSize: 4, blockCount: 32, contextCount: 64, maxRunningSequences: 1),
            vocabulary: [97])
        let streams = try (0..<3).map { try bench.submit(.numbered($0, promptCount: 3, maxTokens: 9)).events }
        bench.step(2)
        bench.mailbox.close(.stop)
        bench.runToEnd()
        for (number, events) in streams.enumerated() {
            let answer = await Answer(events)
            #expect(answer.reasons == [.failed(EngineLoop.stopMessage)])
            #expect(answer.tokens.count == (number == 0 ? 2 : 0))
        }
        #expect(bench.statistics.freeBlockCount == 32)
    }
}
