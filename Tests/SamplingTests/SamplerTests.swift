import InferenceTypes
import Testing

@testable import Sampling

struct SamplerTests {
    @Test(
        "greedy takes the highest logit, the lowest id on a tie",
        arguments: [
            ([1, 3, 2], 1), ([3, 1, 3], 0), ([-.infinity, -7, -.infinity], 1), ([0, -0.0], 0), ([5], 0),
        ] as [([Float], TokenID)])
    func greedy(logits: [Float], expected: TokenID) {
        #expect(sample(logits, SamplingParameters(temperature: 0)) == expected)
        #expect(sample(logits, SamplingParameters(temperature: 9e-6)) == expected)
    }

    @Test(
        "a row with NaN, +∞ or nothing finite is not decoded",
        arguments: [
            [1, .nan, 2], [.nan], [1, .infinity], [-.infinity, -.infinity], [],
        ] as [[Float]])
    func brokenRows(logits: [Float]) {
        #expect(sample(logits, SamplingParameters(temperature: 0)) == nil)
        #expect(sample(logits, SamplingParameters(temperature: 1)) == nil)
    }

    @Test(
        "what each filter keeps",
        arguments: [
            ([1, 3, 2, 0], SamplingParameters(), [0, 1, 2, 3]),
            ([1, 3, 2, 0], SamplingParameters(topK: 1), [1]),
            ([1, 3, 2, 2], SamplingParameters(topK: 2), [1, 2, 3]),
            ([2, 2, 2, 2], SamplingParameters(topK: 1), [0, 1, 2, 3]),
            ([1, 3, 2, 0], SamplingParameters(topK: 4), [0, 1, 2, 3]),
            ([1, 3, 2, 0], SamplingParameters(topK: .max), [0, 1, 2, 3]),
            ([1, -.infinity, -.infinity], SamplingParameters(topK: 2), [0]),
            // Probabilities 0.0321, 0.0871, 0.2369, 0.6439.
            ([0, 1, 2, 3], SamplingParameters(topP: 0.64), [3]),
            ([0, 1, 2, 3], SamplingParameters(topP: 0.65), [3, 2]),
            ([0, 1, 2, 3], SamplingParameters(topP: 0.89), [3, 2, 1]),
            ([0, 1, 2, 3], SamplingParameters(topP: 1e-30), [3]),
            // Four equal ones: the second reaches half, the lowest ids stay.
            ([2, 2, 2, 2], SamplingParameters(topP: 0.5), [0, 1]),
            // exp(-1) = 0.3679, exp(-2) = 0.1353.
            ([0, 1, 2, 3], SamplingParameters(minP: 0.36), [2, 3]),
            ([0, 1, 2, 3], SamplingParameters(minP: 0.37), [3]),
            ([3, 1, 2, 3], SamplingParameters(minP: 1), [0, 3]),
            // At temperature 0.5 the distances double: exp(-2) = 0.1353.
            ([0, 1, 2, 3], SamplingParameters(temperature: 0.5, minP: 0.14), [3]),
            ([0, 1, 2, 3], SamplingParameters(topK: 3, topP: 0.95, minP: 0.3), [3, 2]),
            ([1e30, 0], SamplingParameters(temperature: 1e-4, topP: 0.5), [0]),
        ] as [([Float], SamplingParameters, [TokenID])])
    func kept(logits: [Float], parameters: SamplingParameters, expected: [TokenID]) throws {
        let candidates = try #require(distribution(logits, parameters))
        #expect(candidates.ids == expected)
        #expect(abs(candidates.probabilities.reduce(0, +) - 1) < 1e-6)
    }

    @Test("top-p keeps what sorting everything keeps")
    func topPAgainstSorting() throws {
        for seed in 0..<300 as Range<UInt64> {
            let logits = row(count: 1 + Int(seed) * 7, seed: seed).map { seed % 2 == 0 ? $0 : $0 * 3 }
            let topP = [0.1, 0.5, 0.9, 0.99, 0.9999][Int(seed % 5)] as Float
            let all = try #require(distribution(logits, SamplingParameters()))
            let sorted = zip(all.ids, all.probabilities).sorted { ($0.1, $1.0) > ($1.1, $0.0) }
            var mass = 0.0
            let kept = sorted.prefix { entry in
                defer { mass += Double(entry.1) }
                return mass < Double(topP)
            }
            #expect(try #require(distribution(logits, SamplingParameters(topP: topP))).ids == kept.map(\.0))
        }
    }

    @Test("an answer does not depend on the rows before it")
    func noHistory() {
        var used = Sampler()
        for position in 0..<200 {
            let logits = row(count: 3 + position * 7 % 50, seed: UInt64(position))
            let parameters = SamplingParameters(
                temperature: 1.5, topK: position % 2 == 0 ? 5 : nil, topP: position % 3 == 0 ? 0.8 : 1,
                minP: 0.01, seed: 3)
            let token = logits.withUnsafeBufferPointer {
                used.sample($0, parameters, choice: 0, position: position)
            }
            #expect(token == sample(logits, parameters, position: position))
        }
    }

    @Test(
        "draws follow the filtered distribution",
        arguments: [
            SamplingParameters(seed: 1), SamplingParameters(temperature: 1.7, topP: 0.95, seed: 2),
            SamplingParameters(topK: 6, minP: 0.05, seed: 3),
        ])
    func drawsFollowDistribution(parameters: SamplingParameters) throws {
        let logits: [Float] = [0.5, -1, 2, 1.5, 0, 2, -0.5, 1]
        let candidates = try #require(distribution(logits, parameters))
        var counts: [TokenID: Int] = [:]
        for position in 0..<100_000 {
            counts[try #require(sample(logits, parameters, position: position)), default: 0] += 1
        }
        #expect(Set(counts.keys).isSubset(of: candidates.ids))
        var chiSquare = 0.0
        for (id, probability) in zip(candidates.ids, candidates.probabilities) {
            let expected = Double(probability) * 100_000
            chiSquare +=
                (Double(counts[id, default: 0]) - expected) * (Double(counts[id, default: 0]) - expected) / expected
        }
        // Quantile 0.999 of χ² with 4 to 7 degrees of freedom.
        let limits: [Int: Double] = [5: 18.47, 6: 20.52, 7: 22.46, 8: 24.32]
        #expect(chiSquare < (try #require(limits[candidates.count])))
    }

    @Test("the highest number there is still draws a possible token", arguments: [1, 2, 3, 1000, 100_000])
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

    @Test("a draw is the first entry whose cumulative probability passes the number")
    func drawIsInverse() throws {
        let candidates = try #require(distribution([0, 0, 0, 0], SamplingParameters()))
        #expect([0, 0.24, 0.25, 0.49, 0.5, 0.75, 0.99].map { candidates.draw($0) } == [0, 0, 1, 1, 2, 3, 3])
    }
}

func sample(_ logits: [Float], _ parameters: SamplingParameters, position: Int = 0) -> TokenID? {
    var sampler = Sampler()
    return logits.withUnsafeBufferPointer { sampler.sample($0, parameters, choice: 0, position: position) }
}

func distribution(_ logits: [Float], _ parameters: SamplingParameters) -> Candidates? {
    var sampler = Sampler()
    return logits.withUnsafeBufferPointer { sampler.distribution($0, parameters) }
}

/// Logits in −8 ..< 8.
func row(count: Int, seed: UInt64) -> [Float] {
    (0..<count).map { CounterRandom.uniform(seed: seed, choice: 1000, position: $0) * 16 - 8 }
}
