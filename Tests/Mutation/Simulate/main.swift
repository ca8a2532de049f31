import Checkpoints
import Engine
import Foundation
import InferenceTypes
import Tokenization

// Simulate FIRST END STEPS: seeds one after the other, up to the first that fails. Each is said before it runs, so that
// one that traps is known, too.

func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

let numbers = CommandLine.arguments.dropFirst().compactMap { UInt64($0) }
guard numbers.count == 3, numbers[0] < numbers[1], let steps = Int(exactly: numbers[2]) else { exit(2) }
let ends = JSONMember(key: Array("eos_token_id".utf8), value: .array([.integer(15)]))
let tokenizer = try Tokenizer(
    .files(
        TokenizerFiles(
            tokenizerJSON: SimulationVocabulary.tokenizerJSON, generationConfiguration: .object([ends]))))
let simulation = Simulation(tokenizer: tokenizer)
for seed in numbers[0]..<numbers[1] {
    say("seed \(seed)")
    do throws(SimulationFailure) { _ = try await simulation.run(seed: seed, steps: steps) } catch {
        say("invariant \(error.invariant), step \(error.step): \(error.text)")
        exit(1)
    }
}
