import Engine
import InferenceTypes
import Tokenization

/// An engine that says what a model might: tokens of the test's vocabulary, their text as it comes, logprobs where asked
/// for. What a choice says depends on its prompt, seed and number alone; how it is cut into events and in which order
/// choices come is random.
func playedEngine(order seed: UInt64, capacity: Int = 64) -> ScriptedEngine {
    ScriptedEngine { request, place in
        var order = SplitMix(state: seed &+ UInt64(place))
        var queues = request.heardChoices.map { PlayedChoice(request, $0).events(&order)[...] }
        var events: [GenerationEvent] = []
        if let count = request.report.promptLogprobCount {
            events.append(.prompt(request.promptTokens.dropFirst().map { PlayedChoice.logprobs($0, count: count) }))
        }
        while let index = queues.indices.filter({ !queues[$0].isEmpty }).randomElement(using: &order) {
            events.append(queues[index].removeFirst())
        }
        return events
    }
}

struct PlayedChoice {
    let choice: Int
    var tokens: [GeneratedToken] = []
    /// In whole scalars.
    var text: [[UInt8]] = []
    let ending: FinishedChoice

    init(_ request: GenerationRequest, _ choice: Int) {
        self.choice = choice
        let key = request.promptTokens.reduce((request.sampling?.seed ?? 7) &+ UInt64(choice)) { hash, token in
            (hash ^ UInt64(truncatingIfNeeded: token)) &* 0x100_0000_01B3
        }
        var random = SplitMix(state: key)
        var detokenizer = StreamingDetokenizer(TestTokenizer.plain, after: request.promptTokens)
        var scalarCount = 0
        for _ in 0..<Int.random(in: 0...request.stop.maxTokens, using: &random) {
            let id = TokenID.random(in: 0..<TokenID(TestTokenizer.vocabularyCount), using: &random)
            let logprobs = request.report.logprobCount.map { Self.logprobs(id, count: $0) }
            tokens.append(GeneratedToken(id: id, textOffset: scalarCount, logprobs: logprobs))
            text.append(detokenizer.append(id))
            scalarCount += String(decoding: text[text.count - 1], as: UTF8.self).unicodeScalars.count
        }
        text.append(detokenizer.finish())
        let reasons: [FinishReason] = [
            .length, .endOfSequence(TestTokenizer.end), .stopString(Array("é😀".utf8)), .stopToken(3), .maxTime,
            .exhausted,
        ]
        var isBeam = false
        if case .beam = request.mode { isBeam = true }
        ending = FinishedChoice(
            choice: choice, reason: reasons[Int.random(in: 0..<reasons.count, using: &random)],
            beamScore: isBeam ? -Float(choice) - 0.1 : nil)
    }

    /// Of a token wherever it stands: what a test can say again.
    static func logprobs(_ token: TokenID, count: Int) -> TokenLogprobs {
        let top = (0..<TokenID(count)).map { place in
            TokenLogprobs.Entry(
                token: (token / 2 + place * 5) % TokenID(TestTokenizer.vocabularyCount),
                logprob: -0.1 - Float(place) / 3)
        }
        let chosen = top.first { $0.token == token }
        return TokenLogprobs(
            chosen: chosen ?? TokenLogprobs.Entry(token: token, logprob: token == 5 ? -.infinity : -9.87654321),
            rank: (top.firstIndex { $0.token == token } ?? 40) + 1, top: top)
    }

    /// Text before its tokens, as beams have it, after them, as held-back text comes, or with them.
    func events(_ order: inout SplitMix) -> [GenerationEvent] {
        var (tokens, text) = (tokens[...], text[...])
        var events: [GenerationEvent] = []
        while !tokens.isEmpty || !text.isEmpty {
            let tokenCount = Int.random(in: 0...min(3, tokens.count), using: &order)
            let textCount = Int.random(in: 0...min(3, text.count), using: &order)
            events.append(
                .delta(
                    TextDelta(
                        choice: choice, text: text.prefix(textCount).flatMap { $0 },
                        tokens: Array(tokens.prefix(tokenCount)))))
            tokens = tokens.dropFirst(tokenCount)
            text = text.dropFirst(textCount)
        }
        return events + [.finished(ending)]
    }
}
