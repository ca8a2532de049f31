import InferenceTypes
import Testing

@testable import Sampling

struct SamplerTests {
    @Test(
        "greedy takes the highest logit, the lowest id on a tie",
        arguments: [
            (Array(repeating: 0, count: 40) + [1, 1], 40), (Array(repeating: -1, count: 33), 0),
            ([1, 3, 2], 1), ([3, 1, 3], 0), ([-.infinity, -7, -.infinity], 1), ([0, -0.0], 0), ([5], 0),
        ] as [([Float], TokenID)])
    func greedy(logits: [Float], expected: TokenID) {
        #expect(sample(logits, SamplingParameters(temperature: 0)) == .token(expected))
        #expect(sample(logits, SamplingParameters(temperature: 9e-6)) == .token(expected))
    }

    @Test(
        "a row with NaN, +∞ or nothing finite is not decoded, whatever a request masks",
        arguments: [
            [1, .nan, 2], [.nan], [1, .infinity], [-.infinity, -.infinity], [],
            Array(repeating: 1, count: 100) + [.nan],
        ] as [[Float]])
    func brokenRows(logits: [Float]) {
        var processing = LogitsProcessing()
        processing.suppressedTokens = [0, 1, 2, 100]
        for temperature in [0, 1] as [Float] {
            #expect(sample(logits, SamplingParameters(temperature: temperature)) == .unusable)
            #expect(sample(logits, SamplingParameters(temperature: temperature), processing) == .unusable)
        }
    }

    @Test("where a request masks everything nothing is left", arguments: [0, 1] as [Float])
    func exhausted(temperature: Float) {
        var processing = LogitsProcessing()
        processing.allowedTokens = [1]
        #expect(sample([5, 1, 5], SamplingParameters(temperature: temperature), processing) == .token(1))
        processing.suppressedTokens = [1]
        #expect(sample([5, 1, 5], SamplingParameters(temperature: temperature), processing) == .exhausted)
        #expect(sample([5, -.infinity, 5], SamplingParameters(temperature: temperature), processing) == .exhausted)
    }

    @Test("greedy takes the highest processed score and leaves the row as it is")
    func greedyProcessed() {
        let logits: [Float] = [1, 3, 2, 3]
        var processing = LogitsProcessing()
        processing.bias = [.init(token: 0, value: 2.5)]
        #expect(sample(logits, SamplingParameters(temperature: 0), processing) == .token(0))
        processing.bias = [.init(token: 0, value: 2)]
        #expect(sample(logits, SamplingParameters(temperature: 0), processing) == .token(0))
        #expect(logits == [1, 3, 2, 3])
    }

    @Test("the number drawn depends on where the token will stand")
    func position() {
        let logits = row(count: 50, seed: 1)
        var drawn: Set<TokenID> = []
        for position in 0..<20 {
            let parameters = SamplingParameters(temperature: 2, seed: 9)
            let token = sample(logits, parameters, position: position)
            let number = CounterRandom.uniform(seed: 9, choice: 0, position: position)
            #expect(token == distribution(logits, parameters).map { .token($0.draw(number)) })
            if case .token(let token) = token { drawn.insert(token) }
        }
        #expect(drawn.count > 5)
    }

    @Test("an answer does not depend on the rows before it")
    func noHistory() {
        var used = Sampler()
        for position in 0..<300 {
            let logits = row(count: 3 + position * 7 % 50, seed: UInt64(position))
            let parameters = SamplingParameters(
                temperature: 1.5, topH: position % 7 == 0 ? 0.5 : nil, topK: position % 2 == 0 ? 5 : nil,
                topP: position % 3 == 0 ? 0.8 : 1, minP: 0.01, typicalP: position % 5 == 0 ? 0.9 : 1, seed: 3)
            var processing = LogitsProcessing()
            processing.presencePenalty = position % 4 == 0 ? 1 : 0
            let token = logits.withUnsafeBufferPointer {
                used.sample(ScoreRow($0), parameters, processing, context(position: position), choice: 0)
            }
            #expect(token == sample(logits, parameters, processing, position: position))
        }
    }

    @Test(
        "draws follow the filtered distribution",
        arguments: [
            SamplingParameters(seed: 1), SamplingParameters(temperature: 1.7, topP: 0.95, seed: 2),
            SamplingParameters(topK: 6, minP: 0.05, seed: 3),
            SamplingParameters(temperature: 1.4, topP: 0.97, typicalP: 0.85, seed: 4),
            SamplingParameters(topH: 0.9, epsilonCutoff: 0.03, etaCutoff: 0.05, seed: 5),
        ])
    func drawsFollowDistribution(parameters: SamplingParameters) throws {
        let logits: [Float] = [0.5, -1, 2, 1.5, 0, 2, -0.5, 1]
        let candidates = try #require(distribution(logits, parameters))
        var counts: [TokenID: Int] = [:]
        var sampler = Sampler()
        for position in 0..<1000 {
            let context = context(position: position)
            for choice in 0..<100 {
                let token = logits.withUnsafeBufferPointer {
                    sampler.sample(ScoreRow($0), parameters, LogitsProcessing(), context, choice: choice)
                }
                if case .token(let token) = token { counts[token, default: 0] += 1 }
            }
        }
        #expect(Set(counts.keys).isSubset(of: candidates.ids) && counts.values.reduce(0, +) == 100_000)
        var chiSquare = 0.0
        for (id, probability) in zip(candidates.ids, candidates.probabilities) {
            let expected = Double(probability) * 100_000
            chiSquare +=
                (Double(counts[id, default: 0]) - expected) * (Double(counts[id, default: 0]) - expected) / expected
        }
        // Quantile 0.999 of χ² with 3 to 7 degrees of freedom.
        let limits: [Int: Double] = [4: 16.27, 5: 18.47, 6: 20.52, 7: 22.46, 8: 24.32]
        #expect(chiSquare < (try #require(limits[candidates.count])))
    }

    @Test("the highest number there is still draws a possible token", arguments: [1, 2, 3, 1000, 1024, 1025, 100_000])
    func roundingAtTheEnd(count: Int) throws {
        let last = Float(1).nextDown
        for seed in 0..<20 as Range<UInt64> {
            var logits = row(count: count, seed: seed)
            logits[count - 1] = -500
            logits[0] = 5
            let parameters = SamplingParameters(temperature: 0.7, topP: seed % 2 == 0 ? 0.999 : 1)
            let candidates = try #require(distribution(logits, parameters))
            for number in [last, 0, 0.5] {
                let token = candidates.draw(number)
                let index = try #require(candidates.ids.firstIndex(of: token))
                #expect(candidates.probabilities[index] > 0)
            }
        }
    }

    @Test("a draw is the first token whose cumulative probability passes the number")
    func drawIsInverse() throws {
        let few = try #require(distribution([0, 0, 0, 0], SamplingParameters()))
        #expect([0, 0.24, 0.25, 0.49, 0.5, 0.75, 0.99].map { few.draw($0) } == [0, 0, 1, 1, 2, 3, 3])
        let many = try #require(distribution(Array(repeating: 1, count: 4096), SamplingParameters()))
        for index in 0..<4096 as Range<TokenID> { #expect(many.draw(Float(index) / 4096) == index) }
    }
}

/// A sequence in which the next token stands at `position`; token 0 is all of it.
func context(position: Int) -> DecodingContext {
    DecodingContext(tokens: Array(repeating: 0, count: position), promptCount: 0, ends: [])
}

func sample(
    _ logits: [Float], _ parameters: SamplingParameters, _ processing: LogitsProcessing = LogitsProcessing(),
    position: Int = 0
) -> SampledToken {
    var sampler = Sampler()
    return logits.withUnsafeBufferPointer {
        sampler.sample(ScoreRow($0), parameters, processing, context(position: position), choice: 0)
    }
}

func distribution(_ logits: [Float], _ parameters: SamplingParameters, minimumCount: Int = 1) -> Candidates? {
    var sampler = Sampler()
    return logits.withUnsafeBufferPointer {
        sampler.distribution(
            ScoreRow($0), parameters, LogitsProcessing(), context(position: 0), minimumCount: minimumCount)
    }
}

/// Logits in −8 ..< 8.
func row(count: Int, seed: UInt64) -> [Float] {
    (0..<count).map { CounterRandom.uniform(seed: seed, choice: 1000, position: $0) * 16 - 8 }
}
