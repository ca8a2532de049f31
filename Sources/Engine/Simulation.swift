package import Tokenization

/// Random lives of the real engine, with a scripted model and a virtual clock; everything from one seed.
package struct Simulation: Sendable {
    private let tokenizer: Tokenizer

    /// - Parameter tokenizer: made of `SimulationVocabulary.tokenizerJSON`.
    package init(tokenizer: Tokenizer) { self.tokenizer = tokenizer }

    /// Runs about so many steps: lives of engines, one after the other, the last one cut short.
    ///
    /// - Parameter follower: hears each action.
    /// - Throws: at the first invariant that does not hold.
    package func run(
        seed: UInt64, steps: Int, follower: ((String) -> Void)? = nil
    ) async throws(SimulationFailure) -> SimulationCounts {
        var random = SimulationRandom(seed)
        var counts = SimulationCounts()
        var pastStepCount = 0
        while counts[.step] < steps {
            let life = SimulationLife(SimulationRandom(random.next()), tokenizer, follower: follower)
            do throws(SimulationViolation) { counts += try await life.run(stepLimit: steps - counts[.step]) } catch {
                throw SimulationFailure(
                    seed: seed, step: pastStepCount + life.stepCount, invariant: error.invariant, text: error.text,
                    trace: life.trace.lines)
            }
            pastStepCount += life.stepCount
        }
        return counts
    }

    /// Runs a seed twice: the same has to happen.
    package func checkRepetition(seed: UInt64, steps: Int) async throws(SimulationFailure) {
        let first = try await run(seed: seed, steps: steps)
        let second = try await run(seed: seed, steps: steps)
        guard first != second else { return }
        throw SimulationFailure(
            seed: seed, step: 0, invariant: 11, text: "two runs differ: \(first.log), \(second.log)", trace: [])
    }
}
