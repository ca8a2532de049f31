import Checkpoints
import InferenceTypes
import Testing
import Tokenization

@testable import Engine

/// A sample of the simulator's seeds. `needletail bench simulate` runs as many as one likes.
@Suite("Simulated lives of the engine")
struct SimulationTests {
    static func tokenizer() throws -> Tokenizer {
        let ends = JSONMember(
            key: Array("eos_token_id".utf8), value: .array([.integer(Int64(SimulationVocabulary.endOfSequence))]))
        return try Tokenizer(
            .files(
                TokenizerFiles(
                    tokenizerJSON: SimulationVocabulary.tokenizerJSON, generationConfiguration: .object([ends]))))
    }

    @Test("no invariant breaks, and everything that can happen does")
    func seeds() async throws {
        let simulation = Simulation(tokenizer: try Self.tokenizer())
        var counts = SimulationCounts()
        for seed in 0..<90 as Range<UInt64> {
            do throws(SimulationFailure) { counts += try await simulation.run(seed: seed, steps: 500) } catch {
                Issue.record("\(error)")
            }
        }
        #expect(counts[.step] >= 40_000)
        for event in SimulationCounts.Event.allCases { #expect(counts[event] > 0, "\(event.rawValue) never happened") }
    }

    @Test("the same seed does the same again", arguments: [1, 2, 3] as [UInt64])
    func repetition(seed: UInt64) async throws {
        try await Simulation(tokenizer: try Self.tokenizer()).checkRepetition(seed: seed, steps: 300)
    }

    @Test("other seeds do something else")
    func difference() async throws {
        let simulation = Simulation(tokenizer: try Self.tokenizer())
        let (one, other) = (
            try await simulation.run(seed: 1, steps: 100).log, try await simulation.run(seed: 2, steps: 100).log
        )
        #expect(one != other)
    }

    @Test(
        "the scripted model notices a write to the slot of another row, a wrong table, and a stored token that is not")
    func model() throws {
        let sizes = EngineConfiguration(blockSize: 2, blockCount: 3, contextCount: 6)
        func violation(_ plans: [Plan]) -> String? {
            let model = SimulationModel(sizes)
            for plan in plans {
                model.beginStep()
                _ = model.forward(plan.batch)
            }
            return model.violation?.text
        }
        let start = Plan([Plan.Row([5, 6, 7], from: 0, in: [0, 1])])
        #expect(violation([start, Plan([Plan.Row([5, 6, 7, 8], from: 3, in: [0, 1])])]) == nil)
        #expect(
            violation([Plan([Plan.Row([5], from: 0, in: [0]), Plan.Row([6], from: 0, in: [0])])])
                == "two tokens of a step go to slot 0")
        #expect(
            violation([start, Plan([Plan.Row([5, 6, 7, 8], from: 3, in: [1, 0])])])
                == "slot 2 is read as position 0 and is not")
        #expect(
            violation([start, Plan([Plan.Row([5, 6, 9], from: 2, in: [0, 1], cachedCount: 3)])])
                == "slot 2 is not stored although the plan says so")
    }

    @Test("a failure names its seed, step and invariant, and what led there")
    func description() {
        let failure = SimulationFailure(seed: 7, step: 12, invariant: 1, text: "a block is lost", trace: ["11  drain"])
        #expect(failure.description == "seed 7, step 12, invariant 1: a block is lost\n    11  drain\n")
    }

    @Test("the trace keeps the last 24 actions, oldest first")
    func trace() {
        var trace = SimulationTrace(follower: nil)
        for step in 0..<30 {
            trace.step = step
            trace.note(.drain)
        }
        #expect(trace.lines.count == 24)
        #expect(trace.lines.first == "6  drain" && trace.lines.last == "29  drain")
    }
}
