import InferenceTypes
import Testing

@testable import Engine

/// Several choices of one prompt: computed once, forked, and each as it would be alone.
struct ForkTests {
    private static let configuration = EngineConfiguration(blockSize: 4, blockCount: 64, contextCount: 128)

    private static func request(_ choices: Range<Int>, seed: UInt64 = 5, maxTokens: Int = 9) -> GenerationRequest {
        .numbered(
            2, promptCount: 6, maxTokens: maxTokens,
            mode: .sampling(SamplingParameters(temperature: 1, seed: seed), choices: choices))
    }

    @Test("choice i of seed s says what one choice of seed s + i says, whatever range it runs in")
    func choices() async throws {
        var bench = try EngineBench(Self.configuration)
        let whole = try bench.submit(Self.request(0..<5)).events
        let part = try bench.submit(Self.request(2..<4)).events
        let alone = try (0..<5).map { try bench.submit(Self.request(0..<1, seed: 5 + $0)).events }
        bench.runToEnd()
        let (together, some) = (await Answers(whole), await Answers(part))
        #expect(together.choices.count == 5 && some.choices.keys.sorted() == [2, 3])
        #expect(Set(together.choices.values.map(\.tokens)).count == 5)
        for (choice, events) in alone.enumerated() {
            let answer = await Answer(events)
            #expect(together.choices[choice] == answer)
            if (2..<4).contains(choice) { #expect(some.choices[choice] == answer) }
        }
        #expect(together.generatedTokenCount == together.choices.values.reduce(0) { $0 + $1.tokens.count })
        #expect(bench.statistics.freeBlockCount == 64)
    }

    @Test("the prompt is computed once, its full blocks are shared, and its last one is copied when it is written")
    func blocks() throws {
        var bench = try EngineBench(Self.configuration, vocabulary: [97, 98, 99])
        _ = try bench.submit(Self.request(0..<3))
        var used: [Int] = []
        for _ in 0..<5 {
            bench.step()
            used.append(64 - bench.statistics.freeBlockCount)
        }
        // 6 tokens in 2 blocks; then block 0 for all and one of each, until slot 8 begins a third.
        #expect(used == [2, 4, 4, 7, 7])
        #expect(bench.model.steps.map(\.rowCounts) == [[6], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]])
    }

    @Test("a choice that ends gives back what it alone holds, and the others go on")
    func oneEnds() async throws {
        var bench = try EngineBench(Self.configuration, vocabulary: [97, 98, TestTokenizer.endOfSequence])
        let requests = (0..<20).map { Self.request(0..<4, seed: UInt64($0 * 4), maxTokens: 20) }
        let streams = try requests.map { try bench.submit($0).events }
        bench.runToEnd()
        for (request, events) in zip(requests, streams) {
            for (choice, answer) in await Answers(events).choices {
                #expect(answer.tokens == bench.model.plainTokens(request, choice: choice))
                #expect(answer.reasons.count == 1)
            }
        }
        #expect(bench.statistics.freeBlockCount == 64)
    }

    @Test("cancelled at any time, each choice ends once", arguments: [0, 1, 3])
    func cancel(afterSteps count: Int) async throws {
        var bench = try EngineBench(Self.configuration, vocabulary: [97, 98])
        let (id, events) = try bench.submit(Self.request(0..<4))
        bench.step(count)
        bench.mailbox.cancel(id)
        bench.runToEnd()
        let answers = await Answers(events)
        #expect(answers.choices.count == 4)
        for answer in answers.choices.values {
            #expect(answer.reasons == [.cancelled] && answer.tokens.count == count)
        }
        #expect(bench.statistics.freeBlockCount == 64)
    }

    @Test("choices that can never run together are refused with the number that can")
    func tooWide() async throws {
        let engine = try await GenerationEngine(
            configuration: EngineConfiguration(blockSize: 4, blockCount: 11, contextCount: 64),
            tokenizer: try TestTokenizer.make(), logger: LogRecorder().logger
        ) {
            let model = ScriptedModel(EngineConfiguration(blockSize: 4, blockCount: 11, contextCount: 64))
            return { try model.forward($0) }
        }
        // One block is shared, and each choice needs three more for its 14 slots.
        #expect(throws: AdmissionError.tooWide(limit: 3)) { try engine.generate(Self.request(0..<4)) }
        #expect(await Answers(try engine.generate(Self.request(0..<3)).events).choices.count == 3)
    }
}
