import InferenceTypes
import Testing

@testable import Engine

/// The same request gives the same tokens whatever it shares the engine with.
struct OneRowOneAnswerTests {
    /// Prompts around the edges of a block, every kind of sampling, stop strings, several choices, beams.
    private static let requests: [GenerationRequest] = (0..<33).map { number in
        if number % 7 == 3 { return BeamDecodingTests.request(number) }
        var random = SplitMix(UInt64(number))
        let sampling =
            number % 3 == 0
            ? SamplingParameters(temperature: 0)
            : SamplingParameters(
                temperature: 0.9, topK: number % 3 == 1 ? 20 : nil, topP: number % 4 == 1 ? 0.9 : 1,
                minP: number % 5 == 1 ? 0.05 : 0, seed: UInt64(number / 6))
        return .numbered(
            number, promptCount: [1, 3, 4, 5, 16, 17, 90][random.below(7)], maxTokens: 1 + random.below(40),
            mode: .sampling(sampling, choices: 0..<1 + number % 3),
            stopStrings: number % 4 == 0 ? [Array("b".utf8)] : [])
    }

    private static func answers(
        _ requests: [GenerationRequest], maxBatchTokens: Int, blockCount: Int, order: UInt64? = nil
    ) async throws -> [Answers] {
        var bench = try EngineBench(
            EngineConfiguration(
                blockSize: 4, blockCount: blockCount, contextCount: 256, maxBatchTokens: maxBatchTokens))
        var indices = Array(requests.indices)
        if let order {
            var random = SplitMix(order)
            indices.shuffle(using: &random)
        }
        var streams: [Int: AsyncStream<GenerationEvent>] = [:]
        for index in indices { streams[index] = try bench.submit(requests[index]).events }
        bench.runToEnd()
        #expect(bench.model.steps.allSatisfy { $0.tokenCount <= maxBatchTokens })
        #expect(bench.statistics.freeBlockCount == blockCount)
        // So few blocks that not all prompts find room.
        #expect(blockCount > 40 || maxBatchTokens == 1 || bench.statistics.preemptionCount > 0)
        var answers: [Answers] = []
        for index in requests.indices { answers.append(await Answers(try #require(streams[index]))) }
        return answers
    }

    @Test(
        "alone, among 32 others, in any order, with any budget, with few blocks or many",
        arguments: [
            (1, 40), (7, 40), (7, 2000), (64, 40), (64, 2000), (4000, 2000),
        ])
    func sameAnswer(maxBatchTokens: Int, blockCount: Int) async throws {
        let configuration = EngineConfiguration(
            blockSize: 4, blockCount: blockCount, contextCount: 256, maxBatchTokens: maxBatchTokens)
        let requests = Self.requests.filter { configuration.sequenceCapacity($0) >= $0.width }
        #expect(requests.count > 8)
        let together = try await Self.answers(
            requests, maxBatchTokens: maxBatchTokens, blockCount: blockCount, order: UInt64(maxBatchTokens))
        for (index, request) in requests.enumerated() {
            let alone = try await Self.answers([request], maxBatchTokens: 4000, blockCount: 400)
            #expect(together[index] == alone[0], "request \(index)")
        }
    }

    @Test("tokens are those of a loop without engine")
    func sameAsPlainLoop() async throws {
        let answers = try await Self.answers(Self.requests, maxBatchTokens: 64, blockCount: 500)
        let model = ScriptedModel(EngineConfiguration(blockCount: 1, contextCount: 1))
        for (answers, request) in zip(answers, Self.requests) {
            guard case .sampling = request.mode else { continue }
            for (choice, answer) in answers.choices {
                let plain = model.plainTokens(request, choice: choice)
                #expect(answer.tokens == Array(plain.prefix(answer.tokens.count)))
                if request.stop.strings.isEmpty { #expect(answer.tokens == plain) }
                #expect(answer.reasons.count == 1)
            }
        }
    }
}
