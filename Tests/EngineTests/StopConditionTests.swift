import InferenceTypes
import Testing

@testable import Engine

/// What ends a choice, and what of it is said.
struct StopConditionTests {
    private static let configuration = EngineConfiguration(blockSize: 4, blockCount: 32, contextCount: 64)

    /// A model that says `token` for ever.
    private static func answer(_ token: TokenID, _ change: (inout GenerationRequest) -> Void) async throws -> Answer {
        var bench = try EngineBench(configuration, vocabulary: [token])
        var request = GenerationRequest.numbered(1, promptCount: 3, maxTokens: 6)
        change(&request)
        let (_, events) = try bench.submit(request)
        bench.runToEnd()
        return await Answer(events)
    }

    @Test("a stop token ends the choice, is among the tokens and in the text only when asked for")
    func stopTokens() async throws {
        for keepsStop in [false, true] {
            let answer = try await Self.answer(97) {
                $0.stop.stopTokens = [97]
                $0.stop.keepsStop = keepsStop
            }
            #expect(answer.reasons == [.stopToken(97)] && answer.tokens == [97])
            #expect(answer.text == (keepsStop ? [97] : []))
        }
    }

    @Test("an EOS that is ignored is a token like others; shown when special tokens are")
    func ignoredEnd() async throws {
        let end = TestTokenizer.endOfSequence
        for shows in [false, true] {
            let answer = try await Self.answer(end) {
                $0.stop.endOfSequence = []
                $0.report.showsSpecialTokens = shows
            }
            #expect(answer.reasons == [.length] && answer.tokens.count == 6)
            #expect(answer.text == (shows ? Array(repeating: Array("<|end|>".utf8), count: 6).flatMap { $0 } : []))
        }
    }

    @Test("the stop string stays in the text when asked for, and nothing after it")
    func keptStop() async throws {
        let answer = try await Self.answer(256) {  // "sto"
            $0.stop.strings = [Array("os".utf8)]
            $0.stop.keepsStop = true
        }
        #expect(answer.text == Array("stos".utf8) && answer.reasons == [.stopString(Array("os".utf8))])
    }

    @Test("of the first min_tokens none completes a stop string")
    func minTokens() async throws {
        let answer = try await Self.answer(97) {
            $0.stop.strings = [Array("aa".utf8)]
            $0.processing.minTokens = 3
        }
        #expect(answer.tokens.count == 5 && answer.text == Array("aaa".utf8))
    }

    @Test("offsets are whole scalars before a token, held back or not")
    func offsets() async throws {
        let answer = try await Self.answer(261) { $0.stop.strings = [Array("the the the x".utf8)] }  // "the "
        #expect(answer.generated.map(\.textOffset) == [0, 4, 8, 12, 16, 20])
        let split = try await Self.answer(0xC3) { $0.stop.maxTokens = 2 }
        #expect(split.generated.map(\.textOffset) == [0, 0])
    }

    @Test("when its time is over a choice ends with its next token, and a request that waits ends without one")
    func maxTime() async throws {
        var configuration = Self.configuration
        configuration.maxRunningSequences = 1
        var bench = try EngineBench(configuration, vocabulary: [97])
        var request = GenerationRequest.numbered(1, promptCount: 3, maxTokens: 20)
        request.stop.maxTime = .seconds(2)
        let first = try bench.submit(request, arrival: 1_000_000_000).events
        let second = try bench.submit(request).events
        bench.step(3)
        bench.clock.nanoseconds = 2_000_000_000
        bench.step(2)
        bench.clock.nanoseconds = 3_000_000_000
        bench.runToEnd()
        let answer = await Answer(first)
        #expect(answer.reasons == [.maxTime] && answer.tokens.count == 6 && answer.text.count == 6)
        let waited = await Answer(second)
        #expect(waited.reasons == [.maxTime] && waited.tokens.isEmpty)
        #expect(bench.statistics.freeBlockCount == 32)
    }
}
