import Glibc
import InferenceTypes
import Testing

@testable import Sampling

struct LogprobsTests {
    @Test("the exponential is off by less than 3e-7 of itself, and 0 below the smallest normal number")
    func exponential() {
        var worst = 0.0
        for start in stride(from: -87.3 as Float, through: 0, by: 0.0016) {
            var lanes = Lanes()
            for lane in 0..<16 { lanes[lane] = min(0, start + Float(lane) * 0.0001) }
            let found = lanes.exponential
            for lane in 0..<16 {
                let exact = exp(Double(lanes[lane]))
                worst = max(worst, abs(Double(found[lane]) - exact) / exact)
            }
        }
        #expect(worst < 3e-7 && worst > 0)
        #expect(Lanes(repeating: 0).exponential == Lanes(repeating: 1))
        for value in [-87.4, -104, -1e30, -Float.greatestFiniteMagnitude, -.infinity] as [Float] {
            #expect(Lanes(repeating: value).exponential == Lanes())
        }
    }

    @Test("the normaliser is that of a plain sum", arguments: [1, 2, 15, 16, 17, 31, 1000, 40_000])
    func normalizer(count: Int) {
        for seed in 0..<10 as Range<UInt64> {
            let logits = row(count: count, seed: seed).map { seed % 2 == 0 ? $0 : $0 * 10 }
            let maximum = logits.max() ?? 0
            let plain = log(logits.reduce(0) { $0 + exp(Double($1) - Double(maximum)) })
            let found = logits.withUnsafeBufferPointer { Logprobs.normalizer($0, maximum: maximum) }
            #expect(abs(found - plain) < 1e-6)
        }
    }

    @Test("a value and its twin among the most probable are the same bits, at every place of the row")
    func twins() throws {
        let logits = row(count: 77, seed: 5)
        for token in 0..<77 as Range<TokenID> {
            let found = try #require(logprobs(logits, of: token, topCount: 77))
            let twin = try #require(found.top.first { $0.token == token })
            #expect(twin.logprob.bitPattern == found.chosen.logprob.bitPattern && found.top.count == 77)
            #expect(found.rank == 1 + logits.count { $0 > logits[Int(token)] })
        }
    }

    @Test("hand-made rows")
    func handMade() throws {
        let even = try #require(logprobs([0, 0, 0, 0], of: 2, topCount: 2))
        #expect(even.chosen.token == 2 && even.rank == 1 && even.top.map(\.token) == [0, 1])
        #expect(abs(even.chosen.logprob - -1.386_294_4) < 1e-6)
        let masked = try #require(logprobs([-.infinity, 1, -.infinity], of: 0, topCount: 3))
        #expect(masked.chosen.logprob == -.infinity && masked.rank == 2)
        #expect(
            masked.top == [
                .init(token: 1, logprob: 0), .init(token: 0, logprob: -.infinity), .init(token: 2, logprob: -.infinity),
            ])
        #expect(try #require(logprobs([1, 2], of: 0, topCount: 0)).top.isEmpty)
        #expect(try #require(logprobs([1, 2], of: 0, topCount: 9)).top.map(\.token) == [1, 0])
        let far = try #require(logprobs([3e38, -3e38], of: 1, topCount: 1))
        #expect(far.chosen.logprob == -.infinity && far.top == [.init(token: 0, logprob: 0)])
    }

    @Test("the most probable are those that sorting everything gives, equals by id")
    func topAgainstSorting() throws {
        for seed in 0..<120 as Range<UInt64> {
            // Steps of a half: many ties; or so near to each other that log-probabilities meet though logits do not.
            let logits = row(count: 1 + Int(seed) * 5, seed: seed).map {
                seed % 3 == 0 ? ($0 * 2).rounded() / 2 : seed % 3 == 1 ? $0 * 1e-7 : $0
            }
            let count = Int(seed % 21)
            let all = try #require(logprobs(logits, of: 0, topCount: logits.count)).top
            let sorted = all.sorted { ($0.logprob, $1.token) > ($1.logprob, $0.token) }
            #expect(all == sorted)
            #expect(try #require(logprobs(logits, of: 0, topCount: count)).top == Array(sorted.prefix(count)))
        }
    }

    @Test(
        "a row that cannot be decoded has none",
        arguments: [[1, .nan, 2], [.nan], [1, .infinity], [-.infinity, -.infinity]] as [[Float]])
    func brokenRows(logits: [Float]) {
        #expect(logprobs(logits, of: 0, topCount: 2) == nil)
    }
}

private func logprobs(_ logits: [Float], of token: TokenID, topCount: Int) -> TokenLogprobs? {
    logits.withUnsafeBufferPointer { Logprobs.of(token, in: ScoreRow($0), topCount: topCount) }
}
