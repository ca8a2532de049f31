import Glibc
import InferenceTypes
import TestSupport
import Testing

@testable import Sampling

struct BeamDiverseTests {
    private struct Case {
        var settings: BeamRun.Settings
        var table: [[Float]]
        var sequences: [[TokenID]]
        var scores: [Float]
    }

    private static func floats(_ value: JSONValue?) -> [Float] {
        value?.asArray?.compactMap { $0.asDouble.map { Float($0) } } ?? []
    }

    private static func tokens(_ value: JSONValue?) -> [TokenID] {
        value?.asArray?.compactMap { $0.asInteger.map { TokenID($0) } } ?? []
    }

    private static func cases() throws -> [Case] {
        let bytes = try SharedData.bytes(SharedData.fixture("diverse_beams.json"))
        let document = try JSONParser.parse(bytes, limits: .modelFile)
        let tables = try #require(document["tables"]?.asArray).map { ($0.asArray ?? []).map { floats($0) } }
        var processing = LogitsProcessing()
        processing.suppressedTokens = tokens(document["suppressed"])
        return try #require(document["cases"]?.asArray).map { entry in
            func integer(_ key: StaticString) -> Int { entry[key]?.asInteger.map { Int($0) } ?? 0 }
            let early: BeamParameters.EarlyStopping =
                switch entry["early_stopping"]?.asBool {
                case true?: .always
                case false?: .heuristic
                case nil: .never
                }
            let parameters = BeamParameters(
                width: integer("width"), lengthPenalty: entry["length_penalty"]?.asDouble ?? 1, earlyStopping: early,
                groupCount: integer("groups"),
                diversityPenalty: Float(entry["diversity_penalty"]?.asDouble ?? 0))
            let settings = BeamRun.Settings(
                parameters: parameters, processing: processing, prompt: tokens(entry["prompt"]),
                maxTokens: integer("max_tokens"), ends: tokens(entry["ends"]))
            return Case(
                settings: settings, table: tables[integer("table")],
                sequences: (entry["sequences"]?.asArray ?? []).map { tokens($0) }, scores: floats(entry["scores"]))
        }
    }

    @Test("the hypotheses of transformers' group beam search, in its order, with its scores")
    func fixture() throws {
        var scratch = BeamScratch()
        let cases = try Self.cases()
        #expect(cases.count == 48)
        for example in cases {
            var run = BeamRun(example.settings) { tokens in example.table[Int(tokens[tokens.count - 1])] }
            run.finish(&scratch)
            // The fixture has no last token where it is an end.
            let sequences = run.ranking.map { hypothesis in
                let isEnded = hypothesis.tokens.last.map { example.settings.ends.contains($0) } ?? false
                return Array(hypothesis.tokens.dropLast(isEnded ? 1 : 0))
            }
            #expect(sequences == example.sequences, "\(example.settings)")
            for (hypothesis, score) in zip(run.ranking, example.scores) {
                #expect(abs(hypothesis.score - score) < 1e-6 * max(abs(score), 10))
            }
        }
    }

    private func run(
        _ probabilities: [Float], width: Int, penalty: Float, maxTokens: Int, ends: [TokenID] = []
    ) -> BeamRun {
        let parameters = BeamParameters(width: width, groupCount: 2, diversityPenalty: penalty)
        let settings = BeamRun.Settings(parameters: parameters, maxTokens: maxTokens, ends: ends)
        return BeamRun(settings) { _ in probabilities.map { logf($0) } }
    }

    @Test("the second group leaves what the first one picked; the penalty is part of its score")
    func penalty() throws {
        var (run, scratch) = (run([0.5, 0.3, 0.2], width: 2, penalty: 1, maxTokens: 5), BeamScratch())
        let first = try run.required(&scratch)
        // 0.5 / e = 0.18 is below 0.3.
        #expect(first.successors.map(\.token) == [0, 1] && first.successors.map(\.parent) == [0, 0])
        let second = try run.required(&scratch)
        #expect(second.successors.map(\.token) == [0, 1] && second.successors.map(\.parent) == [0, 1])
        var (mild, score) = (self.run([0.5, 0.3, 0.2], width: 2, penalty: 0.25, maxTokens: 5), logf(0.5) - 0.25)
        let step = try mild.required(&scratch)
        #expect(step.successors.map(\.token) == [0, 0])
        score -= step.successors[1].score
        #expect(abs(score) < 1e-6)
    }

    @Test("a token that two beams picked costs twice")
    func count() throws {
        let rows: [[Float]] = [[0.6, 0.3, 0.1], [0.9, 0.05, 0.05], [0.5, 0.3, 0.2]]
        let parameters = BeamParameters(width: 4, groupCount: 2, diversityPenalty: 0.6)
        let settings = BeamRun.Settings(parameters: parameters, prompt: [2], maxTokens: 5, ends: [])
        var run = BeamRun(settings) { tokens in rows[Int(tokens[tokens.count - 1])].map { logf($0) } }
        var scratch = BeamScratch()
        // Group 1: 0.5, 0.3. Group 2: 0.5 / e^0.6 = 0.274 and 0.2, ahead of 0.3 / e^0.6 = 0.165.
        #expect(try run.required(&scratch).successors.map(\.token) == [0, 1, 0, 2])
        // Group 1: [0, 0] 0.3 and [1, 0] 0.27. Group 2: [0, 1] 0.082 and [2, 1] 0.06 are ahead of [0, 0], which is
        // 0.274 × 0.6 / e^1.2 = 0.05 and would be 0.09 were 0 counted once.
        let step = try run.required(&scratch)
        #expect(step.successors.map(\.token) == [0, 0, 1, 1])
        #expect(step.successors.map(\.parent) == [0, 1, 2, 3])
    }

    @Test("the last step counts what would have run on")
    func lastStep() {
        var (run, scratch) = (run([0.5, 0.3, 0.2], width: 2, penalty: 1, maxTokens: 1), BeamScratch())
        run.step(&scratch)
        #expect(run.search.isOver && run.ranking.map(\.tokens) == [[0], [1]])
    }

    @Test("a group that is over keeps nothing running, the other goes on")
    func overGroup() throws {
        // The end is best for both. What group 1 would have run on with is a rival of the end, no more.
        var (run, scratch) = (run([0.6, 0.25, 0.15], width: 2, penalty: 3, maxTokens: 4, ends: [0]), BeamScratch())
        let step = try run.required(&scratch)
        #expect(step.successors.isEmpty && run.search.isOver)
        #expect(run.ranking.map(\.tokens) == [[0], [0]] && run.ranking[0].score == run.ranking[1].score)
        // Ranks of equal scores: the older one is the first group's.
        #expect(run.search.ranking.map(\.id) == [0, 1])
        var second = self.run([0.45, 0.55, 0], width: 2, penalty: 3, maxTokens: 4, ends: [0])
        let split = try second.required(&scratch)
        // Group 1 runs on with 1; that costs group 2 its 1: the end is its best, and it is over.
        #expect(split.finished.map(\.token) == [0] && split.successors.map(\.token) == [1])
        #expect(second.search.runningCount == 1)
        second.finish(&scratch)
        #expect(second.ranking.map(\.tokens).contains([1, 1, 1, 1]))
    }
}
