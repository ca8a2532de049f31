import Glibc
import InferenceTypes
import Testing

@testable import Sampling

/// Each rule of the search by numbers that can be checked by hand. Token 0 is the end, the prompt is [9, 9, 9]; a table
/// gives the probabilities after what was generated, and where it has none the end is certain.
struct BeamSearchTests {
    typealias Table = [[TokenID]: [Float]]

    private func search(
        _ table: Table, width: Int = 2, lengthPenalty: Double = 1,
        _ earlyStopping: BeamParameters.EarlyStopping = .heuristic, maxTokens: Int = 10, ends: [TokenID] = [0],
        stopPair: [TokenID]? = nil, processing: LogitsProcessing = LogitsProcessing()
    ) -> BeamRun {
        let parameters = BeamParameters(width: width, lengthPenalty: lengthPenalty, earlyStopping: earlyStopping)
        let settings = BeamRun.Settings(
            parameters: parameters, processing: processing, prompt: [9, 9, 9], maxTokens: maxTokens, ends: ends,
            stopPair: stopPair)
        return BeamRun(settings) { tokens in
            let row = table[Array(tokens.dropFirst(3))] ?? [1, 0, 0, 0]
            return row.map { logf($0) }
        }
    }

    private func near(_ left: [Float], _ right: [Float]) -> Bool {
        left.count == right.count && zip(left, right).allSatisfy { abs($0 - $1) < 1e-6 }
    }

    private let forked: Table = [
        []: [0.1, 0.6, 0.3, 0], [1]: [0.9, 0, 0.1, 0], [2]: [0.19, 0.81, 0, 0], [2, 1]: [0.7, 0.2, 0.1, 0],
    ]

    @Test("the first step has one beam; an end below the best B is thrown away")
    func firstStep() throws {
        var (run, scratch) = (search(forked), BeamScratch())
        let step = try run.required(&scratch)
        #expect(step.successors.map(\.token) == [1, 2])
        #expect(step.successors.map(\.parent) == [0, 0])
        #expect(near(step.successors.map(\.score), [log(0.6), log(0.3)]))
        // 0.1 for the end is third of K = 4, and B = 2.
        #expect(step.finished.isEmpty && !run.search.isOver)
    }

    @Test("a score is divided by the generated length, the end counted and the prompt not")
    func lengthPenalty() throws {
        var (run, scratch) = (search(forked, lengthPenalty: 2), BeamScratch())
        run.step(&scratch)
        let step = try run.required(&scratch)
        // [1, 0] 0.54, [2, 1] 0.243, [1, 2] 0.06, [2, 0] 0.057: the first is finished, the second runs on, as does [1, 2].
        #expect(step.finished.map(\.token) == [0] && step.finished.map(\.reason) == [.end])
        #expect(near(step.finished.map(\.score), [log(0.54) / 4]))
        #expect(step.successors.map { [$0.parent, Int($0.token)] } == [[1, 1], [0, 2]])
        #expect(near(step.successors.map(\.score), [log(0.243), log(0.06)]))
    }

    @Test("what reaches the greatest length is finished by the same formula; the end is told apart")
    func greatestLength() throws {
        var (run, scratch) = (search(forked, lengthPenalty: 0.5, maxTokens: 2), BeamScratch())
        run.step(&scratch)
        let step = try run.required(&scratch)
        #expect(step.finished.map(\.reason) == [.end, .length] && step.successors.isEmpty && run.search.isOver)
        #expect(run.ranking.map(\.tokens) == [[1, 0], [2, 1]])
        #expect(near(run.ranking.map(\.score), [log(0.54) / sqrtf(2), log(0.243) / sqrtf(2)]))
    }

    /// Two finished after two steps, at 0.36 and 0.18; [1, 1] runs on at 0.12 and [1, 1, 1] at 0.1188.
    private let late: Table = [
        []: [0, 0.6, 0.4, 0], [1]: [0.6, 0.2, 0.1, 0.1], [2]: [0.45, 0.25, 0.29, 0.01], [1, 1]: [0, 0.99, 0.01, 0],
        [1, 1, 1]: [0, 0.99, 0.01, 0], [1, 1, 1, 1]: [1, 0, 0, 0],
    ]

    @Test(
        "when a search with B finished hypotheses ends",
        arguments: [
            // At once.
            (.always, 1, 10, 2), (.always, -1, 10, 2),
            // log 0.12 / 2 is not above log 0.18 / 2.
            (.heuristic, 1, 10, 2), (.heuristic, 0, 10, 2),
            // log 0.12 / 10 is: it might yet grow long. By 0 and −1 length does not help.
            (.never, 1, 10, 5), (.never, 0, 10, 2), (.never, -1, 10, 2),
            // log 0.12 / 3 = −0.707 is above log 0.18 / 2 = −0.857, at length 3 it is over anyway.
            (.never, 1, 3, 3), (.never, 1, 2, 2),
        ] as [(BeamParameters.EarlyStopping, Double, Int, Int)])
    func earlyStopping(
        earlyStopping: BeamParameters.EarlyStopping, lengthPenalty: Double, maxTokens: Int, steps: Int
    ) {
        var (run, scratch) = (
            search(late, lengthPenalty: lengthPenalty, earlyStopping, maxTokens: maxTokens), BeamScratch()
        )
        var count = 0
        while !run.search.isOver, count < 20, run.step(&scratch) != nil { count += 1 }
        #expect(count == steps)
    }

    @Test("the heuristic misses a longer and better one that \"never\" finds")
    func heuristicMisses() {
        var scratch = BeamScratch()
        var hasty = search(late)
        hasty.finish(&scratch)
        #expect(hasty.ranking.map(\.tokens) == [[1, 0], [2, 0]])
        #expect(near(hasty.ranking.map(\.score), [log(0.36) / 2, log(0.18) / 2]))
        var patient = search(late, .never)
        patient.finish(&scratch)
        #expect(patient.ranking.map(\.tokens) == [[1, 1, 1, 1, 0], [1, 0]])
        #expect(near(patient.ranking.map(\.score), [log(0.12 * 0.99 * 0.99) / 5, log(0.36) / 2]))
    }

    @Test("a running beam that only equals the worst finished one ends the search")
    func equality() {
        // Ends and [3] all have 0.25; B = 2 ends come first by their numbers, two others run on as good.
        let table: Table = [[]: [0.25, 0.25, 0.25, 0.25]]
        for earlyStopping in [BeamParameters.EarlyStopping.heuristic, .never] {
            var (run, scratch) = (
                search(table, lengthPenalty: 0, earlyStopping, ends: [0, 1]), BeamScratch()
            )
            run.step(&scratch)
            #expect(run.search.isOver)
            #expect(run.ranking.map(\.tokens) == [[0], [1]])
        }
    }

    @Test("equal candidates: the earlier beam, then the lower token")
    func ties() throws {
        let table: Table = [
            []: [0, 0.5, 0.5, 0], [1]: [0, 0.25, 0.5, 0.25], [2]: [0.5, 0.25, 0.25, 0], [1, 2]: [0, 0.5, 0.5, 0],
        ]
        var (run, scratch) = (search(table), BeamScratch())
        #expect(run.step(&scratch)?.successors.map(\.token) == [1, 2])
        // 0.25: [1, 2], [2, 0]; 0.125: [1, 1], [1, 3], [2, 1], [2, 2].
        let step = try run.required(&scratch)
        #expect(step.successors.map { [$0.parent, Int($0.token)] } == [[0, 2], [0, 1]])
        #expect(step.finished.map { [$0.parent, Int($0.token)] } == [[1, 0]])
    }

    @Test("among equal finished hypotheses the older comes first and stays")
    func merging() {
        // With an exponent of 0 each ends at 0.25: [1, 0], [2, 0] in the second step, [1, 1, 0] in the third.
        let table: Table = [
            []: [0, 0.5, 0.5, 0], [1]: [0.5, 0.5, 0, 0], [2]: [0.25, 0.5, 0.25, 0], [1, 1]: [1, 0, 0, 0],
            [2, 1]: [1, 0, 0, 0],
        ]
        var (run, scratch) = (search(table, lengthPenalty: 0), BeamScratch())
        run.step(&scratch)
        run.step(&scratch)
        #expect(run.ranking.map(\.tokens) == [[1, 0]])
        run.step(&scratch)
        #expect(run.ranking.map(\.tokens) == [[1, 0], [1, 1, 0]])
        #expect(run.search.isOver)
    }

    @Test("K counts the ends: with stop strings more of them may be needed than 2 × B")
    func candidateCount() throws {
        let table: Table = [[]: [0.2, 0.3, 0.25, 0.15, 0.1]]
        var (run, scratch) = (search(table, width: 1, ends: [0, 1, 2]), BeamScratch())
        // K = 4 for B = 1: 1, 2, 0, 3. The first ends and is finished, 3 runs on; by K = 2 nothing would.
        let step = try run.required(&scratch)
        #expect(step.finished.map(\.token) == [1])
        #expect(run.search.trace.candidates.map(\.token) == [1, 2, 0, 3])
        // The latch closed: log 0.15 is below log 0.3.
        #expect(run.search.isOver)
        var patient = search(table, width: 1, .never, ends: [0, 1, 2])
        #expect(patient.step(&scratch)?.successors.map(\.token) == [3])
    }

    @Test("a beam without a future is dropped, and a search without any ends with what it has")
    func deadBeams() throws {
        var once = LogitsProcessing()
        once.noRepeatNgramSize = 1
        // Each token comes once: at most three follow, the prompt's 9 is none of them.
        let table: Table = [
            []: [0, 0.7, 0.3, 0], [1]: [0, 0, 1, 0], [2]: [0, 1, 0, 0], [1, 2]: [0, 1, 0, 0],
            [2, 1]: [0, 0.5, 0.5, 0],
        ]
        var (run, scratch) = (search(table, width: 3, processing: once), BeamScratch())
        #expect(run.step(&scratch)?.successors.count == 2)
        #expect(run.step(&scratch)?.successors.count == 2)
        let last = try run.required(&scratch)
        #expect(last.successors.isEmpty && last.finished.isEmpty && run.search.isOver)
        #expect(run.search.ranking.isEmpty && run.search.contenders.isEmpty)
    }

    @Test("stop strings end candidates and are asked for only where it matters")
    func stopStrings() throws {
        let table: Table = [[]: [0.1, 0.6, 0.3, 0], [1]: [0.1, 0.2, 0.7, 0], [2]: [0.3, 0.39, 0.21, 0.1]]
        var (run, scratch) = (search(table, stopPair: [1, 2]), BeamScratch())
        run.step(&scratch)
        // 0.42 [1, 2] stops; 0.12 [1, 1]; 0.117 [2, 1]; 0.09 [2, 0].
        let step = try run.required(&scratch)
        #expect(step.finished.map(\.reason) == [.early] && step.finished.map(\.token) == [2])
        #expect(step.successors.map { [$0.parent, Int($0.token)] } == [[0, 1], [1, 1]])
        var asked: [TokenID] = []
        var direct = BeamSearch(
            BeamParameters(width: 1), sampling: nil, processing: LogitsProcessing(), promptCount: 1, maxTokens: 2,
            ends: [0])
        let row: [Float] = [3, 2, 1, 0]
        row.withUnsafeBufferPointer { logits in
            let input = [BeamSearch.Input(logits: ScoreRow(logits), tokens: [9])]
            let step = direct.advance(input, scratch: &scratch) { _, token in
                asked.append(token)
                return false
            }
            #expect(step?.finished.map(\.token) == [0])
        }
        // Of K = 2 the end needs no question.
        #expect(asked == [1])
    }

    @Test("when every candidate ends early the search is over")
    func timeIsOver() throws {
        var (scratch, row) = (BeamScratch(), [3, 2, 1, 0] as [Float])
        var search = BeamSearch(
            BeamParameters(width: 2), sampling: nil, processing: LogitsProcessing(), promptCount: 1, maxTokens: 9,
            ends: [])
        let step = row.withUnsafeMutableBufferPointer { logits in
            search.advance(
                [BeamSearch.Input(logits: ScoreRow(UnsafeBufferPointer(logits)), tokens: [9])], scratch: &scratch
            ) {
                _, _ in true
            }
        }
        #expect(step?.finished.map(\.reason) == [.early, .early] && step?.successors.isEmpty == true)
        #expect(search.isOver && search.ranking.map(\.id) == [0, 1])
    }

    @Test(
        "a row that cannot be decoded",
        arguments: [[1, .nan, 2], [1, .infinity], [-.infinity, -.infinity]] as [[Float]])
    func brokenRow(row: [Float]) {
        for processing in [LogitsProcessing(), LogitsProcessing.biased] {
            let settings = BeamRun.Settings(
                parameters: BeamParameters(width: 2), processing: processing, maxTokens: 3, ends: [])
            var (run, scratch) = (BeamRun(settings) { _ in row }, BeamScratch())
            #expect(run.step(&scratch) == nil)
        }
    }

    @Test("nothing to generate is over at once")
    func noTokens() {
        let run = search(forked, maxTokens: 0)
        #expect(run.search.isOver && run.search.ranking.isEmpty && run.search.contenders.isEmpty)
    }

    @Test("an exponent far off gives finite scores", arguments: [-400, 400] as [Double])
    func absurdPenalty(lengthPenalty: Double) {
        var (run, scratch) = (search(forked, lengthPenalty: lengthPenalty, .never), BeamScratch())
        run.finish(&scratch)
        #expect(!run.ranking.isEmpty && run.ranking.allSatisfy(\.score.isFinite))
    }

    @Test("the trace tells what became of each candidate")
    func trace() {
        var (run, scratch) = (search(forked), BeamScratch())
        run.step(&scratch)
        run.step(&scratch)
        let trace = run.search.trace
        #expect(trace.position == 4)
        #expect(trace.candidates.map { [$0.parent, Int($0.token)] } == [[0, 0], [1, 1], [0, 2], [1, 0]])
        let score = run.ranking.first?.score ?? 0
        #expect(trace.candidates.map(\.fate) == [.finishes(score), .continues(0), .continues(1), .dropped])
    }

    @Test("who can still win: all while nothing is finished, then those whose bound is above the leader")
    func contenders() {
        var (run, scratch) = (search(late, .never), BeamScratch())
        run.step(&scratch)
        #expect(run.search.contenders == [0, 1])
        // [1, 0] leads with log 0.36 / 2 = −0.511; log 0.12 / 10 = −0.212 and log 0.12 / 10.
        run.step(&scratch)
        #expect(run.search.contenders == [0, 1])
        var short = search(late, .never, maxTokens: 4)
        short.step(&scratch)
        short.step(&scratch)
        // log 0.12 / 4 = −0.53.
        #expect(short.search.contenders.isEmpty && !short.search.isOver)
    }
}

extension LogitsProcessing {
    fileprivate static var biased: LogitsProcessing {
        var processing = LogitsProcessing()
        processing.bias = [Bias(token: 0, value: 1)]
        return processing
    }
}
