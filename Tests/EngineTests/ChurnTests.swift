import InferenceTypes
import Testing

@testable import Engine

/// Requests come, hang up and fail at random moments, in pools that are nearly too small. The scheduler checks its
/// invariants after every mutation.
struct ChurnTests {
    private struct Client {
        var request: GenerationRequest
        var id: RequestID
        var events: AsyncStream<GenerationEvent>
    }

    @Test("every accepted request ends once, with a prefix of its own tokens, and all blocks come back")
    func churn() async throws {
        var reasons: [String: Int] = [:]
        for seed in 0..<150 as Range<UInt64> {
            var random = SplitMix(seed)
            let configuration = EngineConfiguration(
                blockSize: 1 + random.below(5), blockCount: 6 + random.below(30), contextCount: 64,
                maxBatchTokens: 1 + random.below(20), maxRunningSequences: 1 + random.below(6))
            var bench = try EngineBench(configuration, vocabulary: [97, 98, TestTokenizer.endOfSequence])
            bench.model.failingSteps = [random.below(100)]
            let clients = try Self.run(&bench, &random)
            for client in clients {
                let answers = await Answers(client.events)
                #expect(answers.choices.keys.sorted() == Array(client.request.choices), "seed \(seed)")
                for (choice, answer) in answers.choices {
                    #expect(answer.reasons.count == 1, "seed \(seed)")
                    reasons["\(answer.reasons)".prefix { $0 != "(" }.description, default: 0] += 1
                    guard case .sampling = client.request.mode else { continue }
                    let plain = bench.model.plainTokens(client.request, choice: choice)
                    #expect(answer.tokens == Array(plain.prefix(answer.tokens.count)), "seed \(seed)")
                    switch answer.reasons.first {
                    case .length: #expect(answer.tokens.count == client.request.stop.maxTokens)
                    case .endOfSequence: #expect(answer.tokens.last == TestTokenizer.endOfSequence)
                    default: #expect(answer.tokens.count < client.request.stop.maxTokens)
                    }
                }
            }
            #expect(bench.statistics.isIdle && bench.statistics.freeBlockCount == configuration.blockCount)
            #expect(bench.model.steps.allSatisfy { $0.tokenCount <= configuration.maxBatchTokens })
            #expect(bench.model.steps.allSatisfy { $0.rowCounts.count <= configuration.maxRunningSequences })
        }
        #expect(reasons.values.filter { $0 > 20 }.count == 4, "\(reasons)")
    }

    private static func run(_ bench: inout EngineBench, _ random: inout SplitMix) throws -> [Client] {
        var clients: [Client] = []
        for _ in 0..<120 {
            if random.below(10) < 3 {
                let limit = bench.configuration.maxSequenceTokens
                let promptCount = 1 + random.below(limit - 1)
                let request = GenerationRequest.numbered(
                    clients.count, promptCount: promptCount, maxTokens: 1 + random.below(min(limit - promptCount, 12)),
                    mode: mode(clients.count, &random))
                guard bench.configuration.sequenceCapacity(request) >= request.width else { continue }
                let (id, events) = try bench.submit(request)
                clients.append(Client(request: request, id: id, events: events))
            }
            // The last one is left alone: a step with nothing to compute sleeps.
            if random.below(10) < 2, bench.statistics.runningCount > 1 {
                bench.mailbox.cancel(clients[random.below(clients.count)].id)
            }
            if bench.statistics.runningCount > 0 || random.below(4) == 0, !bench.statistics.isIdle { bench.step() }
        }
        bench.runToEnd()
        return clients
    }

    private static func mode(_ number: Int, _ random: inout SplitMix) -> DecodingMode {
        let width = 1 + random.below(4)
        if random.below(3) == 0 {
            return .beam(BeamParameters(width: width, returnCount: 1 + random.below(width)), sampling: nil)
        }
        return .sampling(SamplingParameters(temperature: 1, seed: UInt64(number)), choices: 0..<width)
    }
}
