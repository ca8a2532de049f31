import ArgumentParser
import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import Quantization
import TestSupport
import Testing

@testable import needletail

@Suite("quantize --prune")
struct QuantizePruningTests {
    private static let text = String(
        repeating: "Once upon a time a fox met a hen. The hen said hello. They shared the red grapes. ", count: 12)

    /// A folder that goes away, with the text in it.
    private func withFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "quantize-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(Self.text.utf8).write(to: folder.appending(path: "text.txt"))
        try body(folder)
    }

    private func floats(_ checkpoint: Checkpoint, _ role: TensorRole, layer: Int) throws -> [Float] {
        let weight = try #require(checkpoint.weight(role, layer: layer))
        var values = [Float](repeating: 0, count: weight.outputCount * weight.inputCount)
        values.withUnsafeMutableBufferPointer { values in
            withExtendedLifetime(weight) { dequantize(weight.elementType, weight.bytes, into: values) }
        }
        return values
    }

    @Test(
        "every second weight of each block of four is gone and the others are what they were, from either format",
        arguments: ["llama-gqa/hf", "llama-gqa/model-f32.gguf", "gpt2/hf"], ["2:4", "0.5"])
    func prunes(model: String, pattern: String) throws {
        try withFolder { folder in
            let (input, output) = (SharedData.fixture("models/\(model)").path, folder.appending(path: "out.gguf").path)
            try QuantizeCommand.parse([
                input, output, "--type", "f32", "--threads", "1", "--prune", pattern, "--calibrate",
                folder.appending(path: "text.txt").path,
            ]).run()
            let dense = folder.appending(path: "dense.gguf").path
            try QuantizeCommand.parse([input, dense, "--type", "f32", "--threads", "1"]).run()
            let (pruned, whole) = (try Checkpoint.open(path: output), try Checkpoint.open(path: dense))
            let width = pattern == "2:4" ? 4 : try #require(whole.weight(.down, layer: 1)).inputCount
            for role in [TensorRole.query, .attentionOutput, .up, .down] {
                let inputCount = try #require(whole.weight(role, layer: 1)).inputCount
                let (found, expected) = (try floats(pruned, role, layer: 1), try floats(whole, role, layer: 1))
                #expect(zip(found, expected).allSatisfy { $0 == $1 || $0 == 0 })
                let run = pattern == "2:4" ? width : inputCount
                for start in stride(from: 0, to: found.count, by: run) {
                    #expect(found[start..<start + run].filter { $0 == 0 }.count == run / 2)
                }
            }
            let embedding = try #require(pruned.weight(.embedding)).tensor.withBytes { Array($0) }
            let before = try #require(whole.weight(.embedding)).tensor.withBytes { Array($0) }
            #expect(embedding == before)
        }
    }

    @Test("by the norms of a text other weights go than by magnitude, and what it cost is told")
    func told() throws {
        try withFolder { folder in
            let text = folder.appending(path: "text.txt").path
            let input = SharedData.fixture("models/llama-gqa/model-f32.gguf").path
            func run(_ name: String, _ line: [String]) throws -> (file: Data, lines: [String]) {
                let output = folder.appending(path: name).path
                let options = try PruneOptions.parse(["--prune", "0.5"] + line)
                let study = try QuantizationStudy(options, input: input, threadCount: 1)
                try QuantizationRun(
                    input: input, output: output, rule: QuantizationRule(.q8_0), existing: .refused, threadCount: 1,
                    transform: study.transform
                ).run()
                return (try Data(contentsOf: URL(filePath: output)), try study.lines(output: output, type: .q8_0))
            }
            let magnitude = try run("a.gguf", ["--evaluate", text])
            let calibrated = try run("b.gguf", ["--calibrate", text])
            #expect(magnitude.file.count == calibrated.file.count && magnitude.file != calibrated.file)
            #expect(magnitude.lines.count == 2 && calibrated.lines.count == 2)
            #expect(
                magnitude.lines[0] == "pruned 0.5 by magnitude: 28.7 k of 57.3 k weights (50 %) of 14 matrices set to 0"
            )
            #expect(calibrated.lines[0].contains("0.5 by magnitude × norm of the input over "))
            #expect(magnitude.lines[1].hasPrefix("perplexity ") && magnitude.lines[1].contains(" → "))
            #expect(try run("c.gguf", []).lines.count == 1)
            let study = try QuantizationStudy(
                try PruneOptions.parse(["--prune", "0.5"]), input: input, threadCount: 1)
            let note = try #require(try study.lines(output: "", type: .q4_K).last)
            #expect(note.hasPrefix("note: Q4_K has no exact 0: ") && note.hasSuffix("q6_k, bf16 keep it at 0"))
        }
    }

    @Test("a file that is there, and a text that is not, are told before anything is computed")
    func refused() throws {
        try withFolder { folder in
            let input = SharedData.fixture("models/llama-gqa/model-f32.gguf").path
            let text = folder.appending(path: "text.txt").path
            func message(_ line: [String]) -> String {
                do {
                    try QuantizeCommand.parse([input] + line).run()
                    return "no error"
                } catch { return "\(error)" }
            }
            #expect(message([text, "--type", "q8_0", "--prune", "0.5"]).hasPrefix("cannot quantise: "))
            let none = folder.appending(path: "none.txt").path
            let out = folder.appending(path: "out.gguf").path
            #expect(message([out, "--type", "q8_0", "--prune", "0.5", "--calibrate", none]) == "cannot read \(none)")
            #expect(message([out, "--type", "q8_0", "--evaluate", none]) == "cannot read \(none)")
            #expect(!FileManager.default.fileExists(atPath: out))
        }
    }
}
