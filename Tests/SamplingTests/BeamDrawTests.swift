import Glibc
import InferenceTypes
import Testing

@testable import Sampling

struct BeamDrawTests {
    /// Draws of a first step: a beam of one row.
    private func draw(
        _ logits: [Float], width: Int, _ sampling: SamplingParameters, ends: [TokenID] = [],
        scratch: inout BeamScratch
    ) -> [TokenID] {
        var search = BeamSearch(
            BeamParameters(width: width), sampling: sampling, processing: LogitsProcessing(), promptCount: 1,
            maxTokens: 9, ends: ends)
        logits.withUnsafeBufferPointer { logits in
            _ = search.advance([BeamSearch.Input(logits: ScoreRow(logits), tokens: [0])], scratch: &scratch) { _, _ in
                false
            }
        }
        return search.trace.candidates.map(\.token)
    }

    @Test("the first two draws have the chances of drawing without replacement")
    func chiSquare() {
        let weights: [Float] = [0.4, 0.3, 0.2, 0.1]
        var scratch = BeamScratch()
        var counts: [[TokenID]: Int] = [:]
        let total = 40_000
        for seed in 0..<total {
            let tokens = draw(
                weights.map { logf($0) }, width: 1, SamplingParameters(seed: UInt64(seed)), scratch: &scratch)
            counts[tokens, default: 0] += 1
        }
        var statistic = 0.0
        for first in 0..<4 {
            for second in 0..<4 where second != first {
                let chance = Double(weights[first]) * Double(weights[second]) / (1 - Double(weights[first]))
                let expected = chance * Double(total)
                let difference = Double(counts[[TokenID(first), TokenID(second)]] ?? 0) - expected
                statistic += difference * difference / expected
            }
        }
        #expect(counts.values.reduce(0, +) == total && counts.count == 12)
        // The 0.999 quantile of χ² with 11 degrees of freedom.
        #expect(statistic < 31.26)
    }

    @Test("a long flat row: the draws spread evenly over its blocks")
    func longRow() {
        var scratch = BeamScratch()
        var counts = Array(repeating: 0, count: 10)
        let logits = Array(repeating: 2 as Float, count: 5000)
        for seed in 0..<2500 {
            let tokens = draw(logits, width: 2, SamplingParameters(seed: UInt64(seed)), scratch: &scratch)
            #expect(Set(tokens).count == 4)
            for token in tokens { counts[Int(token) / 500] += 1 }
        }
        let statistic = counts.reduce(0.0) { $0 + pow(Double($1) - 1000, 2) / 1000 }
        // The 0.999 quantile of χ² with 9 degrees of freedom.
        #expect(statistic < 27.88)
    }

    @Test("what is far too unlikely to be summed still comes, after the rest")
    func peaked() {
        var scratch = BeamScratch()
        let logits: [Float] = [-900, 0, -.infinity, -400, -1000]
        let tokens = draw(logits, width: 2, SamplingParameters(seed: 3), scratch: &scratch)
        #expect(tokens == [1, 3, 0, 4])
        #expect(draw([0, -.infinity, 1], width: 4, SamplingParameters(seed: 1), scratch: &scratch).count == 2)
    }

    @Test("the filters leave what the ends need")
    func minimum() {
        var scratch = BeamScratch()
        let logits: [Float] = [5, 4, 3, 2, 1, 0]
        for (ends, kept) in [([], 2), ([0], 2), ([0, 1], 3), ([0, 1, 2], 4)] as [([TokenID], Int)] {
            let sampling = SamplingParameters(topK: 1, topP: 0.01, minP: 1, seed: 5)
            let tokens = draw(logits, width: 6, sampling, ends: ends, scratch: &scratch)
            #expect(Set(tokens) == Set(0..<TokenID(kept)))
        }
    }

    private func settings(seed: UInt64, temperature: Float = 0.7) -> BeamRun.Settings {
        BeamRun.Settings(
            parameters: BeamParameters(width: 3, earlyStopping: .never),
            sampling: SamplingParameters(temperature: temperature, topK: 20, seed: seed), maxTokens: 8, ends: [2])
    }

    private func ranking(_ settings: BeamRun.Settings) -> [BeamRun.Hypothesis] {
        let model = BeamModel(vocabularyCount: 40, seed: 8, step: 0.002, maskedOneIn: nil)
        var (run, scratch) = (BeamRun(settings, model.logits), BeamScratch())
        run.finish(&scratch)
        return run.ranking
    }

    @Test("the same seed gives the same hypotheses, another one others; greedy parameters give the plain search")
    func seeds() {
        #expect(ranking(settings(seed: 1)) == ranking(settings(seed: 1)))
        #expect(ranking(settings(seed: 1)) != ranking(settings(seed: 2)))
        var plain = settings(seed: 1)
        plain.sampling = nil
        #expect(ranking(settings(seed: 1, temperature: 0)) == ranking(plain))
    }

    @Test(
        "a score is the sum of log-probabilities over the temperature; the best of the drawn run on", arguments: 0..<20)
    func scores(seed: UInt64) throws {
        var scratch = BeamScratch()
        let logits: [Float] = [logf(0.4), logf(0.25), logf(0.2), logf(0.1), logf(0.05)]
        let settings = BeamRun.Settings(
            parameters: BeamParameters(width: 2), sampling: SamplingParameters(temperature: 2, seed: seed),
            maxTokens: 5, ends: [])
        var run = BeamRun(settings) { _ in logits }
        var sums: [Float] = [0]
        for _ in 0..<3 {
            let step = try run.required(&scratch)
            let drawn = run.search.trace.candidates
            #expect(drawn.count == 4)
            for candidate in drawn {
                // Whatever the temperature divides is normalised, what comes of it is not.
                let expected = sums[candidate.parent] + logits[Int(candidate.token)] / 2
                #expect(abs(candidate.score - expected) < 1e-5)
            }
            sums = step.successors.map(\.score)
            #expect(sums == Array(drawn.map(\.score).sorted(by: >).prefix(2)))
        }
    }

    @Test("drawn first, finished: an end after the first B draws is thrown away")
    func drawOrder() throws {
        var scratch = BeamScratch()
        let logits: [Float] = [0, 0, 0, 0]
        var endings: Set<Int> = []
        for seed in 0..<40 {
            let settings = BeamRun.Settings(
                parameters: BeamParameters(width: 2), sampling: SamplingParameters(seed: UInt64(seed)), maxTokens: 5,
                ends: [0])
            var run = BeamRun(settings) { _ in logits }
            let step = try run.required(&scratch)
            let place = run.search.trace.candidates.firstIndex { $0.token == 0 }
            #expect(place.map { $0 < 2 } == !step.finished.isEmpty)
            if let place { endings.insert(place) }
        }
        #expect(endings == [0, 1, 2, 3])
    }
}
