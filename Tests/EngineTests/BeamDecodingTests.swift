import InferenceTypes
import Sampling
import Testing

@testable import Engine

/// Beam search inside the batch: the same hypotheses as a search without engine, blocks for nothing but what differs,
/// and a stream that never takes a word back.
struct BeamDecodingTests {
    static func request(_ number: Int) -> GenerationRequest {
        var random = SplitMix(UInt64(number) + 1000)
        let width = [1, 2, 3, 4, 8, 16][random.below(6)]
        var parameters = BeamParameters(
            width: width, returnCount: 1 + random.below(width), lengthPenalty: [-1, 0, 0.5, 1, 2][random.below(5)],
            earlyStopping: [.always, .heuristic, .never][random.below(3)])
        if number % 5 == 0, width % 2 == 0 {
            parameters.groupCount = 2
            parameters.diversityPenalty = 0.5
        }
        let sampling = number % 4 == 0 ? SamplingParameters(temperature: 0.9, topK: 20, seed: UInt64(number)) : nil
        var request = GenerationRequest.numbered(
            number, promptCount: [1, 3, 4, 5, 16, 17, 40][random.below(7)], maxTokens: 1 + random.below(30),
            mode: .beam(parameters, sampling: sampling),
            stopStrings: number % 3 == 0 ? [Array("ab".utf8), Array("日".utf8)] : [])
        request.report.logprobCount = number % 2 == 0 ? 2 : nil
        if number % 6 == 1 { request.processing.repetitionPenalty = 1.3 }
        if number % 6 == 2 { request.processing.minTokens = 4 }
        return request
    }

    /// Few enough that beams end, meet again and share text that they spell with other tokens.
    static let vocabulary: [TokenID] = [97, 98, 0xE6, 0x97, 0xA5, 256, 257, 261, TestTokenizer.endOfSequence]

    static let configuration = EngineConfiguration(
        blockSize: 4, blockCount: 600, contextCount: 128, maxBatchTokens: 64, maxRunningSequences: 64)

    /// The search as it is, over sequences that nobody batches.
    private static func plain(_ request: GenerationRequest, _ model: ScriptedModel) -> [(tokens: [TokenID], Float)] {
        guard case .beam(let parameters, let sampling) = request.mode else { return [] }
        var search = BeamSearch(
            parameters, sampling: sampling, processing: request.processing,
            promptCount: request.promptTokens.count, maxTokens: request.stop.maxTokens,
            ends: [TestTokenizer.endOfSequence])
        var scratch = BeamScratch()
        var running = [request.promptTokens]
        var finished: [Int: [TokenID]] = [:]
        while !search.isOver {
            let rows = running.map { model.logits(after: $0) }
            let inputs = zip(rows, running).map { row, tokens in
                BeamSearch.Input(
                    logits: ScoreRow(
                        UnsafeBufferPointer(start: row.withUnsafeBufferPointer(\.baseAddress), count: row.count)),
                    tokens: tokens)
            }
            let step = withExtendedLifetime(rows) {
                search.advance(inputs, scratch: &scratch) { parent, token in
                    let text = TestTokenizer.text(Array((running[parent] + [token])[request.promptTokens.count...]))
                    return generatedCount(running[parent], request) + 1 > request.processing.minTokens
                        && request.stop.strings.contains { contains(text, $0) }
                }
            }
            guard let step else { return [] }
            for end in step.finished { finished[end.id] = running[end.parent] + [end.token] }
            running = step.successors.map { running[$0.parent] + [$0.token] }
        }
        return search.ranking.prefix(parameters.returnCount).map {
            (Array((finished[$0.id] ?? [])[request.promptTokens.count...]), $0.score)
        }
    }

    private static func generatedCount(_ tokens: [TokenID], _ request: GenerationRequest) -> Int {
        tokens.count - request.promptTokens.count
    }

    private static func contains(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
        guard text.count >= pattern.count else { return false }
        return (0...text.count - pattern.count).contains { Array(text[$0..<$0 + pattern.count]) == pattern }
    }

    @Test("60 searches in one batch give the hypotheses and scores of searches without engine")
    func sameAsPlain() async throws {
        var bench = try EngineBench(Self.configuration, vocabulary: Self.vocabulary)
        let requests = (0..<60).map(Self.request)
        let streams = try requests.map { try bench.submit($0).events }
        bench.runToEnd()
        var ends: [String: Int] = [:]
        for (number, (request, events)) in zip(requests, streams).enumerated() {
            let answers = await Answers(events)
            let plain = Self.plain(request, bench.model)
            #expect(answers.choices.count == request.choices.count)
            for (choice, hypothesis) in plain.enumerated() {
                let answer = try #require(answers.choices[choice])
                #expect(answer.tokens == hypothesis.tokens, "request \(number), choice \(choice)")
                #expect(answer.beamScore == hypothesis.1, "request \(number), choice \(choice)")
                ends["\(answer.reasons)".prefix(while: { $0 != "(" }).description, default: 0] += 1
            }
            for choice in plain.count..<request.choices.count {
                #expect(answers.choices[choice]?.reasons == [.exhausted])
            }
        }
        #expect(ends.count >= 3, "\(ends)")
        #expect(bench.statistics.freeBlockCount == 600)
    }

    @Test("after each step a search holds one block for each distinct piece of what its beams have computed")
    func exactBlocks() throws {
        for number in 0..<40 where number % 5 != 0 {  // Groups compute equal pieces apart.
            var bench = try EngineBench(Self.configuration, vocabulary: Self.vocabulary)
            _ = try bench.submit(Self.request(number))
            bench.step()
            while let group = bench.loop.scheduler.running.first {
                var pieces: Set<[TokenID]> = []
                for sequence in group.sequences {
                    for start in stride(from: 0, to: sequence.computedCount, by: 4) {
                        pieces.insert(Array(sequence.tokens[..<min(start + 4, sequence.computedCount)]))
                    }
                }
                #expect(600 - bench.statistics.freeBlockCount == pieces.count, "request \(number)")
                bench.step()
            }
            #expect(bench.statistics.freeBlockCount == 600)
        }
    }

    @Test("what is said early is what is said in the end, with other tokens for the same text, too")
    func stream() async throws {
        var earlyCount = 0
        for number in 0..<60 {
            var bench = try EngineBench(Self.configuration, vocabulary: Self.vocabulary)
            let (_, events) = try bench.submit(Self.request(number))
            bench.runToEnd()
            let answers = await Answers(events)
            for answer in answers.choices.values where answer.reasons != [.exhausted] {
                var text = TestTokenizer.text(answer.tokens)
                if case .stopString(let stop) = answer.reasons[0] {
                    while !text.isEmpty, Array(text.suffix(stop.count)) != stop { text.removeLast() }
                    text.removeLast(stop.count)
                }
                #expect(answer.text == text, "request \(number)")
            }
            earlyCount += (answers.choices[0]?.deltaCount ?? 0) > 1 ? 1 : 0
        }
        #expect(earlyCount > 20, "\(earlyCount) searches said something before their end")
    }

    @Test("width 1 is greedy, and is said as it comes")
    func widthOne() async throws {
        var bench = try EngineBench(Self.configuration, vocabulary: [97, 98, 99])
        let beam = GenerationRequest.numbered(
            1, promptCount: 5, maxTokens: 12, mode: .beam(BeamParameters(width: 1), sampling: nil))
        let greedy = GenerationRequest.numbered(1, promptCount: 5, maxTokens: 12)
        let streams = try [beam, greedy].map { try bench.submit($0).events }
        bench.runToEnd()
        let (beamAnswer, greedyAnswer) = (await Answer(streams[0]), await Answer(streams[1]))
        #expect(beamAnswer.generated == greedyAnswer.generated && beamAnswer.text == greedyAnswer.text)
        #expect(beamAnswer.deltaCount == 12)
    }

    @Test("when its time is over a search answers with the best it has")
    func maxTime() async throws {
        var bench = try EngineBench(Self.configuration, vocabulary: [97, 98, 99])
        var request = GenerationRequest.numbered(
            1, promptCount: 5, maxTokens: 100, mode: .beam(BeamParameters(width: 3, returnCount: 2), sampling: nil))
        request.stop.maxTime = .seconds(1)
        let (_, events) = try bench.submit(request)
        bench.step(4)
        bench.clock.nanoseconds = 1_000_000_000
        bench.runToEnd()
        let answers = await Answers(events)
        for choice in 0..<2 {
            #expect(answers.choices[choice]?.reasons == [.maxTime])
            #expect(answers.choices[choice]?.tokens.count == 5)
        }
        #expect(bench.statistics.freeBlockCount == 600)
    }

    @Test("where the request's own rules let nothing follow, what ran last is the answer")
    func deadEnd() async throws {
        var bench = try EngineBench(Self.configuration, vocabulary: [97, 98, 99])
        var request = GenerationRequest.numbered(
            1, promptCount: 5, maxTokens: 20, mode: .beam(BeamParameters(width: 2, returnCount: 2), sampling: nil))
        request.processing.noRepeatNgramSize = 1
        let (_, events) = try bench.submit(request)
        bench.runToEnd()
        let answers = await Answers(events)
        for choice in 0..<2 {
            let answer = try #require(answers.choices[choice])
            #expect(answer.reasons == [.exhausted] && Set(answer.tokens) == [97, 98, 99] && answer.text.count == 3)
        }
        #expect(bench.statistics.freeBlockCount == 600)
    }
}
