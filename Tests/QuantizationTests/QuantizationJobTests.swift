import Checkpoints
import Foundation
import InferenceTypes
import Kernels
import Quantization
import TestSupport
import Testing
import Tokenization

/// A folder of the tests' own, gone when they are.
final class OutputFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "quantization-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Writes a model as the command does, and opens what came of it.
    func quantize(
        _ input: URL, _ type: ElementType, head: QuantizationRule.Head = .finer, threadCount: Int = 2,
        transform: WeightTransform? = nil
    ) throws -> (checkpoint: Checkpoint, file: GGUFFile, outcomes: [QuantizationJob.Outcome]) {
        let source = try Checkpoint.open(path: input.path)
        var export = try source.ggufExport()
        if case .files(let files) = source.tokenizer {
            export.entries += try GGUFVocabularyWriter(files, count: source.configuration.vocabularyCount).entries
        }
        let job = try QuantizationJob(
            export.tensors, rule: QuantizationRule(type, head: head), isTied: source.configuration.tiedEmbeddings,
            threadCount: threadCount, transform: transform)
        let path = url.appending(path: "\(UUID().uuidString).gguf").path
        let writer = try GGUFWriter(
            path: path, existing: .refused, entries: export.entries + job.entries, tensors: job.steps.map(\.entry))
        let outcomes = try job.write(into: writer) { _ in }
        try writer.finish { _ in }
        return (try Checkpoint.open(path: path), try GGUFFile(path: path), outcomes)
    }
}

extension GGUFFile {
    /// A copy of a tensor's bytes, which are the file's only while it is open.
    fileprivate func copy(_ name: String) throws -> [UInt8] {
        try #require(tensor(name), "\(name)").withBytes { Array($0) }
    }
}

@Suite("Whole models")
struct QuantizationJobTests {
    private static let converted = ["llama-gqa", "llama3-scaled", "llama-bias", "mistral", "qwen2", "qwen3", "gpt2"]

    private func model(_ name: String) -> URL { SharedData.fixture("models/\(name)") }

    @Test(
        "a Hugging Face directory becomes what llama.cpp's converter makes of it, weight for weight",
        arguments: converted)
    func equalsConverter(name: String) throws {
        let folder = try OutputFolder()
        let found = try folder.quantize(model(name).appending(path: "hf"), .f32).file
        let expected = try GGUFFile(path: model(name).appending(path: "model-f32.gguf").path)
        for tensorName in expected.tensorNames {
            let (left, right) = (try #require(found.tensor(tensorName)), try #require(expected.tensor(tensorName)))
            #expect(left.shape == right.shape, "\(tensorName)")
            #expect(left.elementType == right.elementType, "\(tensorName)")
            #expect(try found.copy(tensorName) == expected.copy(tensorName), "\(tensorName)")
        }
        #expect(found.tensorNames == expected.tensorNames)
    }

    @Test("the keys that both write have the same values", arguments: converted)
    func equalsConverterKeys(name: String) throws {
        let folder = try OutputFolder()
        let found = try folder.quantize(model(name).appending(path: "hf"), .f32).file
        let expected = try GGUFFile(path: model(name).appending(path: "model-f32.gguf").path)
        var count = 0
        for entry in expected.entries {
            let key = String(decoding: entry.key, as: UTF8.self)
            // Its own name for the model; its scores where it had no sentencepiece file to read.
            guard key != "general.name", let own = found.metadata[key] else { continue }
            #expect(own == expected.metadata[key], "\(key)")
            count += 1
        }
        #expect(count >= 18)
    }

    @Test("the configuration that is read back is the one that was written")
    func keepsConfiguration() throws {
        let folder = try OutputFolder()
        let window = try folder.quantize(model("mistral-window/hf"), .f16).checkpoint
        #expect(window.configuration.attentionWindow == 8)
        let scaled = try folder.quantize(model("llama3-scaled/hf"), .f16).checkpoint
        guard case .rotary(let rotary) = scaled.configuration.positions else {
            Issue.record("no rotary positions")
            return
        }
        #expect(rotary.scaling == .frequencyFactors)
        #expect(scaled.configuration.tiedEmbeddings)
    }

    @Test("a GGUF file keeps its keys, and tensors of the same type their bytes")
    func carriesOver() throws {
        let folder = try OutputFolder()
        let source = try GGUFFile(path: model("llama-gqa/model-f32.gguf").path)
        let found = try folder.quantize(model("llama-gqa/model-f32.gguf"), .f32).file
        let own = ["general.file_type", "general.quantization_version"]
        let isOwn: (GGUFEntry) -> Bool = { entry in own.contains { entry.hasKey($0) } }
        #expect(found.entries.filter { !isOwn($0) } == source.entries.filter { !isOwn($0) })
        for name in source.tensorNames {
            #expect(try found.copy(name) == source.copy(name))
        }
    }

    @Test("the converter's Q8_0 and F16 files come out byte for byte", arguments: [ElementType.q8_0, .f16, .bf16])
    func equalsConverterTypes(type: ElementType) throws {
        let folder = try OutputFolder()
        let found = try folder.quantize(model("llama-gqa/hf"), type).file
        let expected = try GGUFFile(path: model("llama-gqa/model-\(type.optionName).gguf").path)
        for name in expected.tensorNames {
            let (left, right) = (try #require(found.tensor(name)), try #require(expected.tensor(name)))
            #expect(left.elementType == right.elementType, "\(name)")
            #expect(try found.copy(name) == expected.copy(name), "\(name)")
        }
    }

    @Test("vectors and positions stay F32, short rows fall back, the head keeps six bits unless it may not")
    func rule() throws {
        let folder = try OutputFolder()
        // Rows of 64 and 96: no block of 256 fits.
        let llama = try folder.quantize(model("llama-gqa/hf"), .q4_K)
        #expect(llama.file.tensor("blk.0.attn_q.weight")?.elementType == .q5_0)
        #expect(llama.file.tensor("output.weight")?.elementType == .q8_0)
        #expect(llama.file.tensor("token_embd.weight")?.elementType == .q5_0)
        #expect(llama.file.tensor("output_norm.weight")?.elementType == .f32)
        #expect(llama.outcomes.count { $0.step.fellBack } == 16)
        let pure = try folder.quantize(model("llama-gqa/hf"), .q4_0, head: .same)
        #expect(pure.file.tensor("output.weight")?.elementType == .q4_0)
        // Rows of 48.
        let gpt2 = try folder.quantize(model("gpt2/hf"), .q8_0)
        #expect(gpt2.file.tensor("position_embd.weight")?.elementType == .f32)
        #expect(gpt2.file.tensor("blk.0.attn_qkv.weight")?.elementType == .f16)
        #expect(gpt2.file.tensor("blk.1.ffn_down.weight")?.elementType == .q8_0)
        #expect(gpt2.file.tensor("blk.0.attn_qkv.bias")?.elementType == .f32)
    }

    @Test("threads do not show in the bytes")
    func threads() throws {
        let folder = try OutputFolder()
        let one = try folder.quantize(model("qwen2/hf"), .q5_1, threadCount: 1).file
        let many = try folder.quantize(model("qwen2/hf"), .q5_1, threadCount: 7).file
        for name in one.tensorNames {
            #expect(try one.copy(name) == many.copy(name))
        }
    }

    @Test("quantised weights are quantised anew from what they stand for")
    func requantizes() throws {
        let folder = try OutputFolder()
        let found = try folder.quantize(model("llama-gqa/model-q8_0.gguf"), .q8_0)
        let source = try GGUFFile(path: model("llama-gqa/model-q8_0.gguf").path)
        // The scale of a block is rounded once: the same bytes come back.
        let name = "blk.0.ffn_down.weight"
        #expect(found.file.tensor(name)?.elementType == source.tensor(name)?.elementType)
        #expect(found.outcomes.allSatisfy { $0.error.relative < 0.006 })
    }

    @Test("a transform sees each matrix whole, and what it leaves is written")
    func transforms() throws {
        let folder = try OutputFolder()
        var seen: [String] = []
        let found = try folder.quantize(model("llama-gqa/hf"), .f32) { matrix, tensor in
            seen.append(tensor.name)
            #expect([matrix.outputCount, matrix.inputCount] == tensor.shape)
            for index in 0..<matrix.inputCount { matrix.row(matrix.outputCount - 1)[index] = 0 }
        }
        #expect(seen.count == 16 && seen.contains("blk.1.ffn_down.weight") && seen.first == "token_embd.weight")
        let bytes = try found.file.copy("blk.1.ffn_down.weight")
        #expect(bytes.suffix(96 * 4).allSatisfy { $0 == 0 } && bytes.prefix(96 * 4).contains { $0 != 0 })
    }

    @Test("weights that are no numbers, or too large, are refused by name")
    func refusesWeights() throws {
        let folder = try OutputFolder()
        #expect(throws: QuantizationError("tensor blk.0.attn_q.weight has a weight that is too large for F16")) {
            try folder.quantize(model("llama-gqa/hf"), .f16) { matrix, tensor in
                if tensor.name == "blk.0.attn_q.weight" { matrix.row(3)[5] = 70_000 }
            }
        }
    }

    @Test("a weight of the file that is no number is refused by its tensor's name")
    func refusesNotANumber() throws {
        let folder = try OutputFolder()
        let source = model("llama-gqa/model-f32.gguf")
        let start = try GGUFFile(path: source.path).copy("blk.1.ffn_up.weight").prefix(64)
        var bytes = try Data(contentsOf: source)
        let place = try #require(bytes.range(of: Data(start)))
        bytes.replaceSubrange(place.lowerBound + 8..<place.lowerBound + 12, with: [0, 0, 0xC0, 0x7F])
        let damaged = folder.url.appending(path: "damaged.gguf")
        try bytes.write(to: damaged)
        #expect(throws: QuantizationError("tensor blk.1.ffn_up.weight has a weight that is no finite number")) {
            try folder.quantize(damaged, .q8_0)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["damaged.gguf"])
    }
}
