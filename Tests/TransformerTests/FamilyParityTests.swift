import Checkpoints
import Foundation
import InferenceTypes
import TestSupport
import Testing

/// Each family from both formats against transformers: tiny random models, fp32, eager attention, no cache.
@Suite("Families equal transformers")
struct FamilyParityTests {
    static let names = ["llama-gqa", "llama3-scaled", "llama-bias", "mistral", "qwen2", "qwen3", "gpt2"]
    static let formats = ["hf", "model-f32.gguf"]

    @Test("logits within 1e-4 and 64 greedy tokens equal", arguments: names, formats)
    func parity(name: String, format: String) throws {
        let checkpoint = try Checkpoint.open(path: SharedData.fixture("models/\(name)/\(format)").path)
        try check(checkpoint, against: "models/\(name)/reference.json", tolerance: 1e-4)
    }

    @Test("a sliding window of 8, which the converter does not write")
    func slidingWindow() throws {
        let checkpoint = try Checkpoint.open(path: SharedData.fixture("models/mistral-window/hf").path)
        #expect(checkpoint.configuration.attentionWindow == 8)
        try check(checkpoint, against: "models/mistral-window/reference.json", tolerance: 1e-4)
    }

    @Test("the same from 16-bit and quantised files, against their own weights", arguments: ["f16", "bf16", "q8_0"])
    func storedTypes(type: String) throws {
        let checkpoint = try Checkpoint.open(path: SharedData.fixture("models/llama-gqa/model-\(type).gguf").path)
        try check(checkpoint, against: "models/llama-gqa/reference-\(type).json", tolerance: 1e-4)
    }

    private func check(_ checkpoint: Checkpoint, against path: String, tolerance: Double) throws {
        let driver = try SequenceDriver(checkpoint)
        let reference = try readJSON(SharedData.fixture(path))
        let prompts = try #require(reference["prompts"] as? [[String: Any]])
        #expect(prompts.count == 3)
        for prompt in prompts {
            let ids = tokenIDs(prompt["ids"])
            let expected = doubles(prompt["logits_last"])
            let found = driver.logits(ids).last ?? []
            let worst = zip(found, expected).map { abs(Double($0) - $1) }.max() ?? .infinity
            #expect(found.count == expected.count && worst < tolerance, "logits differ by \(worst)")

            let steps = driver.greedy(ids, count: 64)
            #expect(steps.map(\.token) == tokenIDs(prompt["greedy_ids"]))
            for (step, logprob) in zip(steps, doubles(prompt["greedy_logprobs"])) {
                #expect(abs(step.logprob - logprob) < tolerance)
            }
            checkPositions(driver.logits(ids, everyPosition: true), prompt)
        }
    }

    private func checkPositions(_ rows: [[Float]], _ prompt: [String: Any]) {
        for (index, argmax) in tokenIDs(prompt["positions_argmax"]).enumerated() {
            #expect(greedyStep(rows[index]).token == argmax)
            #expect(abs(logSumExp(rows[index]) - doubles(prompt["positions_logsumexp"])[index]) < 1e-4)
        }
    }
}
