import InferenceTypes
import Testing

@testable import Sampling

struct SamplingTraceTests {
    @Test("a trace tells stage by stage what was removed, with its probability before")
    func stages() throws {
        var processing = LogitsProcessing()
        processing.bias = [.init(token: 5, value: -100)]
        processing.minTokens = 3
        processing.suppressedTokens = [5]
        // Softmax of 0, 1, 2, 3: 0.0321, 0.0871, 0.2369, 0.6439.
        let logits: [Float] = [0, 1, 2, 3, 3, 2]
        let context = DecodingContext(tokens: [1, 0], promptCount: 1, ends: [4])
        let trace = try #require(explain(logits, SamplingParameters(topK: 3, topP: 0.8), processing, context))
        #expect(trace.choice == 2 && trace.position == 2 && trace.chosen == 3)
        #expect(trace.model.map(\.token) == [3, 4, 2, 5, 1, 0])
        #expect(
            trace.stages.map(\.name) == ["logit_bias", "min_tokens", "suppress_tokens", "top_k", "top_p"])
        #expect(trace.stages.map(\.removedCount) == [0, 1, 1, 1, 1])
        #expect(trace.stages.map { $0.removed.map(\.token) } == [[], [4], [5], [0], [1]])
        // e³ / (1 + e + e² + 2 e³), the bias having done away with the last one.
        #expect(abs(trace.stages[1].removed[0].probability - 0.3917) < 1e-3)
        #expect(abs(trace.stages[3].removed[0].probability - 0.0321) < 1e-4)
        #expect(trace.candidateCount == 2 && trace.candidates.map(\.token) == [3, 2])
        #expect(abs(trace.candidates[0].probability - 0.7311) < 1e-4)
    }

    @Test("every field has its name, its place and a stage only where it was asked for")
    func names() throws {
        var processing = LogitsProcessing()
        processing.repetitionPenalty = 1.1
        processing.noRepeatNgramSize = 2
        processing.badWords = [[0]]
        processing.allowedTokens = [1, 2, 3]
        processing.exponentialDecay = .init(start: 0, factor: 1.1)
        processing.presencePenalty = 0.1
        processing.frequencyPenalty = 0.1
        let parameters = SamplingParameters(
            temperature: 0.5, topH: 0.9, topK: 3, topP: 0.99, minP: 0.01, typicalP: 0.99, epsilonCutoff: 0.01,
            etaCutoff: 0.01)
        let context = DecodingContext(tokens: [1], promptCount: 1, ends: [])
        #expect(
            try #require(explain([1, 2, 3, 4], parameters, processing, context)).stages.map(\.name) == [
                "repetition_penalty", "no_repeat_ngram_size", "bad_words", "allowed_token_ids",
                "exponential_decay_length_penalty", "presence_penalty", "frequency_penalty", "temperature", "top_h",
                "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff",
            ])
        #expect(try #require(explain([1, 2], SamplingParameters(), LogitsProcessing(), context)).stages.isEmpty)
    }

    @Test("the candidates of a trace are the distribution that the token was drawn from")
    func sameDistribution() throws {
        var sampler = Sampler()
        for seed in 0..<50 as Range<UInt64> {
            let logits = row(count: 9, seed: seed)
            var processing = LogitsProcessing()
            processing.repetitionPenalty = 1.5
            let parameters = SamplingParameters(temperature: 1.2, topP: 0.9, typicalP: 0.8, seed: seed)
            let context = DecodingContext(tokens: [1, 5], promptCount: 1, ends: [])
            let trace = try #require(explain(logits, parameters, processing, context))
            let drawn = try #require(
                logits.withUnsafeBufferPointer { sampler.distribution(ScoreRow($0), parameters, processing, context) })
            #expect(trace.candidateCount == drawn.count)
            let sorted = zip(drawn.ids, drawn.probabilities).sorted { ($0.1, $1.0) > ($1.1, $0.0) }
            #expect(trace.candidates.map(\.token) == sorted.map(\.0))
            #expect(trace.candidates.map(\.probability) == sorted.map(\.1))
        }
    }

    @Test("greedy is a temperature that leaves one; lists are short; nothing to choose is no trace")
    func edges() throws {
        let context = DecodingContext(tokens: [1], promptCount: 1, ends: [])
        let greedy = try #require(
            explain(row(count: 100, seed: 1), SamplingParameters(temperature: 0), LogitsProcessing(), context))
        #expect(greedy.stages.map(\.name) == ["temperature"] && greedy.stages[0].removedCount == 99)
        #expect(greedy.stages[0].removed.count == 5 && greedy.model.count == 10)
        #expect(greedy.candidates == [.init(token: greedy.model[0].token, probability: 1)])
        #expect(explain([1, .nan], SamplingParameters(), LogitsProcessing(), context) == nil)
        var processing = LogitsProcessing()
        processing.suppressedTokens = [0, 1]
        let exhausted = try #require(explain([1, 2], SamplingParameters(), processing, context))
        #expect(exhausted.candidateCount == 0 && exhausted.stages[0].removedCount == 2)
    }

    private func explain(
        _ logits: [Float], _ parameters: SamplingParameters, _ processing: LogitsProcessing, _ context: DecodingContext
    ) -> SamplingTrace? {
        var sampler = Sampler()
        return logits.withUnsafeBufferPointer {
            sampler.explain(ScoreRow($0), parameters, processing, context, choice: 2, chosen: 3)
        }
    }
}
