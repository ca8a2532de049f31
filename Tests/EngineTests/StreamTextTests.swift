import InferenceTypes
import Testing

@testable import Engine

/// The pieces of a stream, put together, are the whole text, cut where a plain search finds the first stop string.
struct StreamTextTests {
    /// Letters and scalars of two to four bytes, whole and in parts, that the stop strings are made of.
    private static let vocabulary: [TokenID] =
        Array("stop é".utf8).map { TokenID($0) } + [0xE6, 0x97, 0xA5, 0xF0, 0x9F, 0x98, 0x80]
        + Array(256..<TokenID(TestTokenizer.vocabularyCount))
    private static let stops = ["stop", "st", "é", "é!", "日", "日本", "ops", "\u{FFFD}s", "the s", "😀", "oo", "p日"]
        .map { Array($0.utf8) }

    @Test("300 random requests with multi-byte text and stop strings that straddle tokens")
    func streamEqualsPlain() async throws {
        var stopped = 0
        var straddled = 0
        for seed in 0..<300 as Range<UInt64> {
            var random = SplitMix(seed)
            let request = GenerationRequest.numbered(
                Int(seed % 200), promptCount: 1 + random.below(9), maxTokens: 1 + random.below(30),
                sampling: SamplingParameters(temperature: 1, seed: seed),
                stopStrings: (0..<random.below(4)).map { _ in Self.stops[random.below(Self.stops.count)] })
            var bench = try EngineBench(
                EngineConfiguration(blockSize: 4, blockCount: 16, contextCount: 64), vocabulary: Self.vocabulary)
            let (_, events) = try bench.submit(request)
            bench.runToEnd()
            let answer = await Answer(events)
            let plainTokens = bench.model.plainTokens(request)
            let (text, stop) = cutAtStop(TestTokenizer.text(plainTokens), request.stop.strings)
            #expect(answer.text == text, "seed \(seed)")
            #expect(answer.tokens == Array(plainTokens.prefix(answer.tokens.count)))
            if let stop {
                #expect(answer.reasons == [.stopString(stop)], "seed \(seed)")
                stopped += 1
                let last = TestTokenizer.pieces[Int(try #require(answer.tokens.last)) % TestTokenizer.pieces.count]
                straddled += last.count < stop.count ? 1 : 0
            } else {
                let end = plainTokens.last == TestTokenizer.endOfSequence
                #expect(answer.reasons == [end ? .endOfSequence(TestTokenizer.endOfSequence) : .length])
                #expect(answer.tokens == plainTokens)
            }
        }
        #expect(stopped > 50 && straddled > 20, "\(stopped) stopped, \(straddled) of them across tokens")
    }

    @Test("held-back text comes at the end when no stop string came")
    func heldTextIsFlushed() async throws {
        var bench = try EngineBench(
            EngineConfiguration(blockSize: 4, blockCount: 16, contextCount: 64), vocabulary: [256])
        let (_, events) = try bench.submit(
            .numbered(1, promptCount: 1, maxTokens: 2, stopStrings: [Array("stostop".utf8)]))
        bench.runToEnd()
        var texts: [String] = []
        for await case .delta(let delta) in events { texts.append(String(decoding: delta.text, as: UTF8.self)) }
        #expect(texts == ["", "stosto"])
    }
}
