import Glibc
import InferenceTypes
import Testing

@testable import Sampling

struct CandidatesTests {
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
            // Neighbours that division by the temperature makes equal tie.
            ([1, 1 - 0x1p-24, 0.5], SamplingParameters(temperature: 1.7, topK: 1), [0, 1]),
            // Probabilities 0.0321, 0.0871, 0.2369, 0.6439.
            ([0, 1, 2, 3], SamplingParameters(topP: 0.64), [3]),
            ([0, 1, 2, 3], SamplingParameters(topP: 0.65), [2, 3]),
            ([0, 1, 2, 3], SamplingParameters(topP: 0.89), [1, 2, 3]),
            ([0, 1, 2, 3], SamplingParameters(topP: 1e-30), [3]),
            // Four equal ones: the second reaches half, the lowest ids stay.
            ([2, 2, 2, 2], SamplingParameters(topP: 0.5), [0, 1]),
            ([-.infinity, 2, 2, -.infinity], SamplingParameters(topP: 0.99), [1, 2]),
            // exp(-1) = 0.3679, exp(-2) = 0.1353.
            ([0, 1, 2, 3], SamplingParameters(minP: 0.36), [2, 3]),
            ([0, 1, 2, 3], SamplingParameters(minP: 0.37), [3]),
            ([3, 1, 2, 3], SamplingParameters(minP: 1), [0, 3]),
            // At temperature 0.5 the distances double: exp(-2) = 0.1353.
            ([0, 1, 2, 3], SamplingParameters(temperature: 0.5, minP: 0.14), [3]),
            ([0, 1, 2, 3], SamplingParameters(topK: 3, topP: 0.95, minP: 0.3), [2, 3]),
            ([1e30, 0], SamplingParameters(temperature: 1e-4, topP: 0.5), [0]),
            // Too large for a float once divided.
            ([3e38, 2e38, 0], SamplingParameters(temperature: 1e-4), [0, 1, 2]),
            ([-3e38, -.infinity, -2e38], SamplingParameters(temperature: 1e-4, topH: 1, typicalP: 0.9), [0, 2]),
            ([3e38, -.infinity, -3e38], SamplingParameters(topP: 0.9, typicalP: 0.9, etaCutoff: 0.1), [0]),
            // Surprise 3.4402, 2.4402, 1.4402, 0.4402; expected 0.9475. Nearest: 2, then 3, then 1, then 0.
            ([0, 1, 2, 3], SamplingParameters(typicalP: 0.2), [2]),
            ([0, 1, 2, 3], SamplingParameters(typicalP: 0.25), [2, 3]),
            ([0, 1, 2, 3], SamplingParameters(typicalP: 0.9), [1, 2, 3]),
            // All as surprising as expected: none is farther than the first.
            ([2, 2, 2, 2], SamplingParameters(typicalP: 0.1), [0, 1, 2, 3]),
            ([0, 1, 2, 3], SamplingParameters(epsilonCutoff: 0.08), [1, 2, 3]),
            ([0, 1, 2, 3], SamplingParameters(epsilonCutoff: 0.09), [2, 3]),
            ([0, 3, 2, 3], SamplingParameters(epsilonCutoff: 0.9), [1, 3]),
            // exp(-0.9475) = 0.3877: the cutoff is √0.04 × 0.3877 = 0.0775 or 0.04, and √0.9 × 0.3877 = 0.3678.
            ([0, 1, 2, 3], SamplingParameters(etaCutoff: 0.04), [1, 2, 3]),
            ([0, 1, 2, 3], SamplingParameters(etaCutoff: 0.9), [3]),
            // Parts of the entropy: 0.2835 (3), 0.3412 (2), 0.2125 (1), 0.1103 (0).
            ([0, 1, 2, 3], SamplingParameters(topH: 0.29), [3]),
            ([0, 1, 2, 3], SamplingParameters(topH: 0.67), [2, 3]),
            ([0, 1, 2, 3], SamplingParameters(topH: 0.1), [3]),
            ([0, 1, 2, 3], SamplingParameters(topH: 1), [0, 1, 2, 3]),
        ] as [([Float], SamplingParameters, [TokenID])])
    func kept(logits: [Float], parameters: SamplingParameters, expected: [TokenID]) throws {
        let candidates = try #require(distribution(logits, parameters))
        #expect(candidates.ids == expected)
        #expect(abs(candidates.probabilities.reduce(0, +) - 1) < 1e-6)
    }

    @Test(
        "each filter leaves as many as are asked for",
        arguments: [
            (SamplingParameters(topK: 1), [2, 3, 4]), (SamplingParameters(topP: 0.1), [2, 3, 4]),
            (SamplingParameters(minP: 0.99), [2, 3, 4]), (SamplingParameters(epsilonCutoff: 0.99), [2, 3, 4]),
            // The third and the fifth tie.
            (SamplingParameters(etaCutoff: 0.99), [2, 3, 4]),
            // Nearest to the expected surprise 1.0556: the ones at 1.4938, then the one at 0.4938.
            (SamplingParameters(typicalP: 0.01), [2, 3, 4]),
            (SamplingParameters(topK: 1, topP: 0.1, minP: 0.99, epsilonCutoff: 0.99), [2, 3, 4]),
        ] as [(SamplingParameters, [TokenID])])
    func minimumCount(parameters: SamplingParameters, expected: [TokenID]) throws {
        #expect(try #require(distribution([0, 0.5, 2, 3, 2], parameters, minimumCount: 3)).ids == expected)
        // Of ties at the end, the lowest id; epsilon, eta and top-k keep all of them.
        let ties = parameters.topP < 1 || parameters.minP > 0 ? [0, 1] : [0, 1, 2] as [TokenID]
        if parameters.typicalP == 1 {
            #expect(
                try #require(distribution([1, 1, 1], parameters, minimumCount: 2)).ids.starts(with: ties.prefix(2)))
        }
        #expect(try #require(distribution([1, -.infinity], parameters, minimumCount: 2)).ids == [0])
    }

    @Test("top-p keeps what sorting everything keeps")
    func topPAgainstSorting() throws {
        for seed in 0..<200 as Range<UInt64> {
            let logits = row(count: 1 + Int(seed) * 7, seed: seed).map { seed % 2 == 0 ? $0 : $0 * 3 }
            let topP = [0.1, 0.5, 0.9, 0.99, 0.9999][Int(seed % 5)] as Float
            let all = try #require(distribution(logits, SamplingParameters()))
            let sorted = zip(all.ids, all.probabilities).sorted { ($0.1, $1.0) > ($1.1, $0.0) }
            var mass = 0.0
            let kept = sorted.prefix { entry in
                defer { mass += Double(entry.1) }
                return mass < Double(topP)
            }
            let found = try #require(distribution(logits, SamplingParameters(topP: topP))).ids
            #expect(found == kept.map(\.0).sorted())
        }
    }

    @Test(
        "the mass of a selection is reached where it is in a sorted list", arguments: [0.001, 0.3, 0.9, 0.9999, 1, 2])
    func selectionAgainstSorting(share: Double) {
        var selection = MassSelection()
        for seed in 0..<40 as Range<UInt64> {
            let keys = row(count: 1 + Int(seed) * 23, seed: seed).map { value in
                switch seed % 4 {
                case 0: -abs(value)
                case 1: -abs(value).rounded()
                case 2: -1 - abs(value) * 1e-6
                default: value > 7 ? -.infinity : -exp2(value * 15)
                }
            }
            let weights = row(count: keys.count, seed: seed + 1).map { $0 > 6 ? 0 : $0 + 8 }
            let target = share * weights.reduce(0) { $0 + Double($1) }
            var (mass, last) = (0.0, 0)
            let order = keys.indices.sorted { (keys[$0], $1) > (keys[$1], $0) }
            for index in order where mass < target * (1 - 1e-12) && weights[index] > 0 {
                mass += Double(weights[index])
                last = index
            }
            let found = keys.withUnsafeBufferPointer { keys in
                weights.withUnsafeBufferPointer { selection.crossing(of: target, keys: keys, weights: $0) }
            }
            let above = keys.indices.reduce(0) { keys[$1] > keys[last] ? $0 + Double(weights[$1]) : $0 }
            #expect(found.key == keys[last], "seed \(seed)")
            #expect(abs(found.massAbove - above) <= 1e-9 * max(1, above), "seed \(seed)")
        }
    }

    @Test("the lowest of the highest is where sorting has it", arguments: [1, 2, 5, 31, 100, 1000])
    func thresholdAgainstSorting(rank: Int) {
        var highest = HighestValues()
        for seed in 0..<60 as Range<UInt64> {
            let values = row(count: 1 + Int(seed) * 11, seed: seed).map { seed % 2 == 0 ? $0 : $0.rounded() }
            let expected = rank < values.count ? values.sorted(by: >)[rank - 1] : -.infinity
            #expect(values.withUnsafeBufferPointer { highest.threshold(ScoreRow($0), rank: rank) } == expected)
        }
    }

    @Test("long rows: filters one after another keep what they keep of short ones")
    func longRows() throws {
        // 5000 masked ones between, so that nothing but the ids changes.
        let parameters = SamplingParameters(
            temperature: 0.8, topK: 60, topP: 0.95, minP: 0.001, typicalP: 0.9, epsilonCutoff: 1e-4, etaCutoff: 1e-4)
        for seed in 0..<20 as Range<UInt64> {
            let short = row(count: 100, seed: seed)
            var long = Array(repeating: -Float.infinity, count: 5100)
            for (index, value) in short.enumerated() { long[index * 51] = value }
            let found = try #require(distribution(long, parameters))
            let expected = try #require(distribution(short, parameters))
            #expect(found.ids == expected.ids.map { $0 * 51 } && found.probabilities == expected.probabilities)
        }
    }
}
