import Checkpoints
import Engine
import Foundation
import InferenceTypes
import Tokenization

// simulate FIRST END STEPS: seeds one after the other, up to the first that fails. Each is said before it runs, so that
// one that traps is known, too.
let numbers = CommandLine.arguments.dropFirst().compactMap { UInt64($0) }
guard numbers.count == 3, let steps = Int(exactly: numbers[2]) else { exit(2) }
let ends = JSONMember(key: Array("eos_token_id".utf8), value: .array([.integer(15)]))
let tokenizer = try Tokenizer(
    .files(
        TokenizerFiles(
            tokenizerJSON: SimulationVocabulary.tokenizerJSON, generationConfiguration: .object([ends]))))
let simulation = Simulation(tokenizer: tokenizer)
setvbuf(stdout, nil, _IOLBF, 0)
for seed in numbers[0]..<numbers[1] {
    print("seed \(seed)")
    do { _ = try await simulation.run(seed: seed, steps: steps) } catch {
        print("invariant \(error.invariant), step \(error.step): \(error.text)")
        exit(1)
    }
}
