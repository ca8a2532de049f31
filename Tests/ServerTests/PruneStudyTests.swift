import ArgumentParser
import Checkpoints
import Foundation
import InferenceTypes
import Quantization
import TestSupport
import Testing
import Transformer

@testable import needletail

@Suite("Texts around a pruning")
struct PruneStudyTests {
    private static let text = Array(
        String(
            repeating: "Once upon a time a fox met a hen. The hen said hello. They shared the red grapes. ", count: 12
        )
        .utf8)

    private func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
        let url = FileManager.default.temporaryDirectory.appending(path: "prune-\(UUID().uuidString).txt")
        try Data(bytes).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        return try body(url.path)
    }

    private func model(_ name: String) throws -> ModelOptions {
        try ModelOptions.parse(["--model", SharedData.fixture("models/\(name)/hf").path, "--threads", "1"])
    }

    @Test("every matrix that is pruned is heard of, in the length of its inputs", arguments: ["llama-gqa", "gpt2"])
    func norms(name: String) throws {
        let options = try model(name)
        let loaded = try LoadedModel(options)
        let norms = try withFile(Self.text) { path in
            let study = try PruneStudy(
                try PruneOptions.parse(["--prune", "0.5", "--calibrate", path]), loaded.tokenizer)
            return try #require(try study.inputNorms(options))
        }
        #expect(norms.norms(of: .head, layer: nil) == nil)
        let pass = try PruningPass(loaded.checkpoint, .fraction(0.5)) { norms.norms(of: $0, layer: $1) }
        #expect(pass.tensorNames.count == (name == "gpt2" ? 8 : 14))
    }

    @Test("the last tenth is kept from calibration, and another text takes its place")
    func evaluation() throws {
        let options = try model("llama-gqa")
        let tokenizer = try LoadedModel(options).tokenizer
        try withFile(Self.text) { path in
            let tokenCount = try PerplexityText(path: path, tokenizer).tokens.count
            let tail = try PruneStudy(try PruneOptions.parse(["--prune", "2:4", "--calibrate", path]), tokenizer)
            let score = try #require(try tail.score(options))
            #expect(score.tokenCount == tokenCount / 10 - 1)
            let whole = try PruneStudy(try PruneOptions.parse(["--evaluate", path]), tokenizer)
            let other = try #require(try whole.score(options))
            let norms = try whole.inputNorms(options)
            #expect(other.tokenCount == tokenCount - 1 && norms == nil)
            let line = tail.line(before: score, after: score)
            #expect(line.contains("(+0.00 %), \(score.tokenCount) tokens of the last tenth of \(path)"))
        }
        let none = try PruneStudy(try PruneOptions.parse(["--prune", "2:4"]), tokenizer).score(options)
        #expect(none == nil)
    }

    @Test("what makes no sense is refused with what was expected")
    func refused() throws {
        func message(_ line: [String]) -> String {
            do {
                _ = try PruneOptions.parse(line)
                return "no error"
            } catch { return PruneOptions.message(for: error) }
        }
        #expect(message(["--prune", "4:2"]).contains("expected N:M with 1 ≤ N < M ≤ 32, got \"4:2\""))
        #expect(message(["--prune", "1.5"]).contains("expected a fraction above 0 and below 1, got \"1.5\""))
        #expect(message(["--calibrate", "x"]).contains("--calibrate is for --prune"))
        let tokenizer = try LoadedModel(try model("llama-gqa")).tokenizer
        try withFile(Array("too short".utf8)) { path in
            let options = try PruneOptions.parse(["--prune", "0.5", "--calibrate", path])
            #expect(throws: StartError.self) { try PruneStudy(options, tokenizer) }
        }
    }
}
