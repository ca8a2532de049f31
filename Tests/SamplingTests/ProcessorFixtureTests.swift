import InferenceTypes
import Sampling
import Testing

/// `sampling.json`, `processors`: what transformers' processors make of random rows and token histories.
struct ProcessorFixtureTests {
    private struct Case: Decodable {
        var logitBias: [[Float]]?
        var repetitionPenalty: Float?
        var noRepeatNgramSize: Int?
        var badWords: [[TokenID]]?
        var minTokens: Int?
        var allowedTokenIds: [TokenID]?
        var exponentialDecayLengthPenalty: [Float]?
        var suppressTokens: [TokenID]?
        var presencePenalty: Float?
        var frequencyPenalty: Float?
        var tokens: [TokenID]
        var promptCount: Int
        var ends: [TokenID]
        var logits: [Float?]
        var scores: [Float?]

        var processing: LogitsProcessing {
            var processing = LogitsProcessing()
            processing.bias = (logitBias ?? []).map { .init(token: TokenID($0[0]), value: $0[1]) }
            processing.repetitionPenalty = repetitionPenalty ?? 1
            processing.noRepeatNgramSize = noRepeatNgramSize ?? 0
            processing.badWords = badWords ?? []
            processing.minTokens = minTokens ?? 0
            processing.allowedTokens = allowedTokenIds
            processing.exponentialDecay = exponentialDecayLengthPenalty.map {
                .init(start: Int($0[0]), factor: Double($0[1]))
            }
            processing.suppressedTokens = suppressTokens ?? []
            processing.presencePenalty = presencePenalty ?? 0
            processing.frequencyPenalty = frequencyPenalty ?? 0
            return processing
        }
    }

    private struct Fixture: Decodable { var processors: [Case] }

    @Test("each processor alone and all together change a row as transformers does")
    func sameAsTransformers() throws {
        let cases = try fixture(Fixture.self).processors
        #expect(cases.count == 240)
        var processors = LogitsProcessors()
        for (index, expected) in cases.enumerated() {
            var scores = unmasked(expected.logits)
            let context = DecodingContext(
                tokens: expected.tokens, promptCount: expected.promptCount, ends: expected.ends)
            scores.withUnsafeMutableBufferPointer { processors.apply(expected.processing, to: $0, context) }
            for (score, wanted) in zip(scores, unmasked(expected.scores)) {
                #expect(
                    score == wanted || abs(score - wanted) <= 1e-6 * max(1, abs(wanted)), "case \(index): \(expected)")
            }
        }
    }
}
