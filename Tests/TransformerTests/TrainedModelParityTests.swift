import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import TestSupport
import Testing
import Tokenization
import Transformer

/// Real weights against what transformers answered with them.
@Suite("Trained models equal transformers", .enabled(if: SharedData.isAvailable, "needs ../shared/data"))
struct TrainedModelParityTests {
    @Test(
        "F32 greedy ids equal on every prompt, logprobs within 1e-4",
        arguments: [
            ("stories260K", "hf"), ("stories260K", "gguf/stories260K-f32.gguf"), ("tinystories-656k", "hf"),
            ("tinystories-656k", "gguf/TinyStories-656K-f32.gguf"),
        ])
    func singlePrecision(model: String, file: String) throws {
        let driver = try SequenceDriver(
            try Checkpoint.open(path: SharedData.file("\(model)/\(file)").path), contextCount: 512)
        let cases = try #require(try readJSON(SharedData.file("\(model)/ref/greedy.json"))["cases"] as? [[String: Any]])
        #expect(cases.count == 8)
        for reference in cases {
            let expected = tokenIDs(reference["generated_ids"])
            let steps = driver.greedy(tokenIDs(reference["prompt_ids"]), count: expected.count)
            #expect(steps.map(\.token) == expected)
            let logprobs = (reference["steps"] as? [[String: Any]] ?? []).compactMap { $0["logprob"] as? Double }
            #expect(logprobs.count == expected.count)
            let worst = zip(steps, logprobs).map { abs($0.logprob - $1) }.max() ?? 0
            #expect(worst < 1e-4, "logprobs differ by \(worst)")
        }
    }

    @Test(
        "stored types equal their own reference, or differ first at a margin under 0.02",
        arguments: [
            ("stories260K", "stories260K-q8_0.gguf", "greedy_gguf_q8_0.json"),
            ("tinystories-656k", "TinyStories-656K-Q8_0.gguf", "greedy_gguf_q8_0.json"),
            ("stories260K", "stories260K-f16.gguf", "greedy.json"),
            ("tinystories-656k", "TinyStories-656K-f16.gguf", "greedy.json"),
            ("tinystories-656k", "TinyStories-656K-bf16.gguf", "greedy.json"),
        ])
    func storedTypes(model: String, file: String, reference: String) throws {
        let driver = try SequenceDriver(
            try Checkpoint.open(path: SharedData.file("\(model)/gguf/\(file)").path), contextCount: 512)
        let cases = try #require(
            try readJSON(SharedData.file("\(model)/ref/\(reference)"))["cases"] as? [[String: Any]])
        for reference in cases {
            let expected = tokenIDs(reference["generated_ids"])
            let steps = driver.greedy(tokenIDs(reference["prompt_ids"]), count: expected.count)
            if let index = steps.indices.first(where: { steps[$0].token != expected[$0] }) {
                #expect(steps[index].margin < 0.02, "differs at step \(index) with margin \(steps[index].margin)")
            }
        }
    }

    @Test("gpt-nano-sort sorts all 729 inputs")
    func sorts() throws {
        let driver = try SequenceDriver(
            try Checkpoint.open(path: SharedData.file("gpt-nano-sort/hf").path), contextCount: 16)
        var sorted = 0
        for number in 0..<729 {
            var letters: [TokenID] = []
            var rest = number
            for _ in 0..<6 {
                letters.append(TokenID(rest % 3))
                rest /= 3
            }
            if driver.greedy(letters, count: 6).map(\.token) == letters.sorted() { sorted += 1 }
        }
        #expect(sorted == 729)
    }

    @Test(
        "negative log-likelihood of 40 stories within 0.1 %, tokens equal",
        arguments: [
            ("stories260K", "hf"), ("stories260K", "gguf/stories260K-f32.gguf"), ("tinystories-656k", "hf"),
            ("tinystories-656k", "gguf/TinyStories-656K-f32.gguf"),
        ])
    func likelihood(model: String, file: String) throws {
        try checkLikelihood(model, file, .exact, tolerance: 0.001)
    }

    @Test(
        "as the processor computes fastest, negative log-likelihood within 1 % of the floats' own",
        arguments: [
            ("stories260K", "stories260K-q8_0.gguf"), ("stories260K", "stories260K-f16.gguf"),
            ("tinystories-656k", "TinyStories-656K-bf16.gguf"),
        ])
    func nativeLikelihood(model: String, file: String) throws {
        try checkLikelihood(
            model, "gguf/\(file)", ModelPrecision(compute: .native, cache: .f32), tolerance: 0.01)
    }

    private func checkLikelihood(
        _ model: String, _ file: String, _ precision: ModelPrecision, tolerance: Double
    ) throws {
        let checkpoint = try Checkpoint.open(path: SharedData.file("\(model)/\(file)").path)
        let tokenizer = try Tokenizer(checkpoint.tokenizer)
        let driver = try SequenceDriver(checkpoint, contextCount: 512, precision: precision)
        let corpus = try String(contentsOf: SharedData.file("corpus/tinystories-subset.txt"), encoding: .utf8)
        let stories = corpus.components(separatedBy: "<|endoftext|>")
            .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        let rows = try #require(try readJSON(SharedData.file("\(model)/ref/nll.json"))["rows"] as? [[Double]])
        #expect(rows.count == 40)
        for (story, row) in zip(stories[1200..<1240], rows) {
            let tokens = Array(tokenizer.encode(Array(story.utf8), addSpecialTokens: .add).prefix(512))
            #expect(tokens.count == Int(row[0]))
            let logits = driver.logits(tokens, everyPosition: true)
            let nll = zip(logits, tokens.dropFirst()).reduce(0.0) { sum, next in
                sum + logSumExp(next.0) - Double(next.0[Int(next.1)])
            }
            #expect(abs(nll - row[1]) < tolerance * row[1], "\(nll) for \(row[1])")
        }
    }
}
