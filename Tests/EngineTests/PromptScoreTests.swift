import InferenceTypes
import Sampling
import Testing

@testable import Engine

/// Logprobs of a prompt: as many rows of logits as its bound allows, and the same numbers however it is cut.
struct PromptScoreTests {
    private static func answers(
        _ requests: [GenerationRequest], maxBatchTokens: Int, maxScoredTokens: Int
    ) async throws -> (answers: [Answers], model: ScriptedModel) {
        var bench = try EngineBench(
            EngineConfiguration(
                blockSize: 4, blockCount: 200, contextCount: 128, maxBatchTokens: maxBatchTokens,
                maxRunningSequences: 8, maxScoredTokens: maxScoredTokens))
        let streams = try requests.map { try bench.submit($0).events }
        bench.runToEnd()
        let bound = bench.configuration.maxLogitsCount
        #expect(bench.model.steps.allSatisfy { $0.logitsCount <= bound })
        #expect(bench.statistics.freeBlockCount == 200)
        var answers: [Answers] = []
        for events in streams { answers.append(await Answers(events)) }
        return (answers, bench.model)
    }

    private static func request(_ number: Int, maxTokens: Int, logprobCount: Int?) -> GenerationRequest {
        var request = GenerationRequest.numbered(
            number, promptCount: 1 + number * 7 % 50, maxTokens: maxTokens,
            sampling: SamplingParameters(temperature: number % 2 == 0 ? 0 : 1, seed: UInt64(number)))
        request.report.promptLogprobCount = number % 3 == 0 ? nil : 2
        request.report.logprobCount = logprobCount
        return request
    }

    @Test("the same for any chunk", arguments: [(8, 1), (8, 3), (64, 7), (512, 128)])
    func chunks(maxBatchTokens: Int, maxScoredTokens: Int) async throws {
        let requests = (1..<20).map { Self.request($0, maxTokens: $0 % 4, logprobCount: 3) }
        let (answers, model) = try await Self.answers(
            requests, maxBatchTokens: maxBatchTokens, maxScoredTokens: maxScoredTokens)
        for (request, answer) in zip(requests, answers) {
            let tokens = request.promptTokens
            let expected = (1..<max(tokens.count, 1)).map { index in
                model.logits(after: Array(tokens[..<index])).withUnsafeBufferPointer {
                    Logprobs.of(tokens[index], in: ScoreRow($0), topCount: 2)
                }
            }
            #expect(answer.prompt == (request.report.promptLogprobCount == nil ? nil : expected.compactMap { $0 }))
            let choice = try #require(answer.choices[0])
            #expect(choice.tokens.count == request.stop.maxTokens && choice.reasons == [.length])
            #expect(choice.tokens == model.plainTokens(request))
            for (index, token) in choice.generated.enumerated() {
                let logprobs = model.logits(after: tokens + choice.tokens[..<index]).withUnsafeBufferPointer {
                    Logprobs.of(token.id, in: ScoreRow($0), topCount: 3)
                }
                #expect(token.logprobs == logprobs)
            }
        }
    }

    @Test("a prompt that is only scored computes nothing else")
    func scoreOnly() async throws {
        var request = Self.request(1, maxTokens: 0, logprobCount: nil)
        request.report.promptLogprobCount = 0
        let (answers, model) = try await Self.answers([request], maxBatchTokens: 64, maxScoredTokens: 64)
        #expect(answers[0].prompt?.count == 7 && answers[0].choices[0]?.reasons == [.length])
        #expect(model.steps.map(\.tokenCount) == [8])
    }
}
