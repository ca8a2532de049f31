import Foundation
import InferenceTypes
import TestSupport
import Testing

@testable import Checkpoints

/// An element of a weight as a number: output `output`, input `input`.
private func element(_ weight: WeightView, _ output: Int, _ input: Int = 0) -> Float {
    let columns = weight.tensor.columnCount
    let index: Int
    switch (weight.tensor.shape.count, weight.layout) {
    case (..<2, _): index = output
    case (_, .rowsAreOutputs): index = output * columns + input
    case (_, .transposed): index = input * columns + weight.outputs.lowerBound + output
    }
    let bytes = weight.bytes
    switch weight.elementType {
    case .f32: return bytes.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
    case .f16: return Float(bytes.loadUnaligned(fromByteOffset: 2 * index, as: Float16.self))
    case .bf16:
        return Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
    default: return .nan
    }
}

private func elements(_ weight: WeightView) -> [[Float]] {
    (0..<weight.outputCount).map { output in (0..<weight.inputCount).map { element(weight, output, $0) } }
}

/// Rows of heads in the other rotary order: what lies at `2i` and `2i + 1` came from `i` and `i + half`.
private func halfSplit(_ interleaved: [[Float]], headDimension: Int) -> [[Float]] {
    interleaved.indices.map { row in
        let (head, index) = row.quotientAndRemainder(dividingBy: headDimension)
        let half = headDimension / 2
        let from = index < half ? 2 * index : 2 * (index - half) + 1
        return interleaved[head * headDimension + from]
    }
}

/// The roles that a configuration asks for, with their weights.
private func weights(_ checkpoint: Checkpoint) throws -> [(role: TensorRole, layer: Int?, weight: WeightView)] {
    let configuration = checkpoint.configuration
    var all: [(TensorRole, Int?, WeightView)] = []
    for role in configuration.modelRoles where role != .frequencyFactors {
        all.append((role, nil, try checkpoint.required(role)))
    }
    for layer in 0..<configuration.layerCount {
        for role in configuration.layerRoles { all.append((role, layer, try checkpoint.required(role, layer: layer))) }
    }
    return all
}

/// Compares a Hugging Face directory with the GGUF file that a converter made of it: descriptions and all elements.
private func expectSame(_ directory: Checkpoint, _ file: Checkpoint) throws {
    var expected = directory.configuration
    expected.name = file.configuration.name
    if case .rotary(var rotary) = expected.positions, case .rotary(let other) = file.configuration.positions {
        rotary.layout = other.layout
        rotary.scaling = other.scaling
        expected.positions = .rotary(rotary)
    }
    #expect(file.configuration == expected)
    var isInterleaved = false
    if case .rotary(let rotary) = file.configuration.positions { isInterleaved = rotary.layout == .interleaved }
    for (role, layer, weight) in try weights(directory) {
        let other = try layer.map { try file.required(role, layer: $0) } ?? file.required(role)
        let isRotated = [.query, .key, .queryBias, .keyBias].contains(role) && isInterleaved
        let values = elements(other)
        let turned = isRotated ? halfSplit(values, headDimension: expected.headDimension) : values
        #expect(elements(weight) == turned, "\(role) of layer \(layer ?? -1)")
    }
}

private let fixtures = ["llama-gqa", "llama3-scaled", "llama-bias", "mistral", "qwen2", "qwen3", "gpt2"]

private let hasFixtures = FileManager.default.fileExists(atPath: SharedData.fixture("models/llama-gqa/hf").path)

@Suite("Families, in both formats")
struct FamilyTests {
    private func open(_ path: String) throws -> Checkpoint {
        try Checkpoint.open(path: SharedData.fixture("models/" + path).path)
    }

    @Test(
        "the directory and the GGUF file made of it are the same model, element by element",
        .enabled(if: hasFixtures, "needs Tests/Fixtures/models"), arguments: fixtures)
    func formats(name: String) throws {
        try expectSame(open(name + "/hf"), open(name + "/model-f32.gguf"))
    }

    @Test("what each family brings is found", .enabled(if: hasFixtures, "needs Tests/Fixtures/models"))
    func features() throws {
        let scaled = try open("llama3-scaled/hf").configuration
        guard case .rotary(let rotary) = scaled.positions, case .llama3 = rotary.scaling else {
            Issue.record("expected Llama 3 scaling, found \(scaled.positions)")
            return
        }
        let factors = try #require(try open("llama3-scaled/model-f32.gguf").weight(.frequencyFactors))
        #expect(factors.outputCount == scaled.headDimension / 2)
        #expect(element(factors, 0) == 1)
        #expect(try open("llama-bias/hf").configuration.biases == [.attentionQKV, .attentionOutput, .feedForward])
        #expect(try open("qwen2/hf").configuration.biases == .attentionQKV)
        #expect(try open("qwen3/hf").configuration.queryKeyNorm == .perHead)
        #expect(try open("mistral/hf").format == .safetensors(fileCount: 3))
        #expect(try open("gpt2/hf").configuration.positions == .learned)
    }

    @Test(
        "the other element types of a file are views of the same shapes",
        .enabled(if: hasFixtures, "needs Tests/Fixtures/models"), arguments: ["f16", "bf16", "q8_0"])
    func elementTypes(type: String) throws {
        let plain = try open("llama-gqa/model-f32.gguf")
        let other = try open("llama-gqa/model-\(type).gguf")
        #expect(other.configuration == plain.configuration)
        #expect(other.weight(.embedding)?.elementType.name.lowercased() == type)
        #expect(other.weight(.embedding)?.tensor.shape == plain.weight(.embedding)?.tensor.shape)
    }

    @Test("GPT-2 without the prefix, with the causal masks of old files")
    func oldGPT2() throws {
        let directory = try TemporaryDirectory()
        try directory.write(
            "config.json",
            "{\"model_type\":\"gpt2\",\"n_embd\":4,\"n_layer\":1,\"n_head\":2,\"n_positions\":8,\"vocab_size\":5,"
                + "\"layer_norm_epsilon\":1e-5,\"activation_function\":\"gelu_new\"}")
        let fused = (0..<48).map(Float.init)
        let file = SafetensorsBuilder(tensors: [
            .init("wte.weight", [5, 4]), .init("wpe.weight", [8, 4]), .init("ln_f.weight", [4]),
            .init("ln_f.bias", [4]), .init("h.0.ln_1.weight", [4]), .init("h.0.ln_1.bias", [4]),
            .init("h.0.attn.bias", [1, 1, 8, 8], type: "BOOL", elementByteCount: 1),
            .init("h.0.attn.masked_bias", []), .init("h.0.attn.c_attn.weight", [4, 12], bytes: floats(fused)),
            .init("h.0.attn.c_attn.bias", [12], bytes: floats(Array(fused[..<12]))),
            .init("h.0.attn.c_proj.weight", [4, 4]), .init("h.0.attn.c_proj.bias", [4]),
            .init("h.0.ln_2.weight", [4]), .init("h.0.ln_2.bias", [4]), .init("h.0.mlp.c_fc.weight", [4, 16]),
            .init("h.0.mlp.c_fc.bias", [16]), .init("h.0.mlp.c_proj.weight", [16, 4]),
            .init("h.0.mlp.c_proj.bias", [4]),
        ])
        try directory.write("model.safetensors", file.build())
        let checkpoint = try directory.open()
        #expect(checkpoint.configuration.feedForwardSize == 16)
        #expect(checkpoint.configuration.feedForward == .plain(.geluTanh))
        #expect(checkpoint.configuration.norm == .layer(epsilon: 1e-5))
        #expect(checkpoint.configuration.tiedEmbeddings)
        let key = try checkpoint.required(.key, layer: 0)
        #expect((key.outputCount, key.inputCount) == (4, 4))
        #expect(elements(key)[1] == [5, 17, 29, 41])
        #expect(elements(try checkpoint.required(.valueBias, layer: 0)) == [[8], [9], [10], [11]])
    }
}

@Suite("Real models", .enabled(if: SharedData.isAvailable, "needs ../shared/data"))
struct RealModelTests {
    private func open(_ path: String) throws -> Checkpoint {
        try Checkpoint.open(path: SharedData.file(path).path)
    }

    @Test(
        "the directory and the F32 file are the same model, element by element",
        arguments: [
            ("stories260K/hf", "stories260K/gguf/stories260K-f32.gguf"),
            ("tinystories-656k/hf", "tinystories-656k/gguf/TinyStories-656K-f32.gguf"),
        ])
    func formats(directory: String, file: String) throws {
        try expectSame(open(directory), open(file))
    }

    @Test("tinystories-656k holds only a head: both embedding and head are that tensor")
    func headOnly() throws {
        let checkpoint = try open("tinystories-656k/hf")
        #expect(checkpoint.weight(.embedding)?.tensor.name == "lm_head.weight")
        #expect(checkpoint.weight(.head)?.tensor.name == "lm_head.weight")
        #expect(checkpoint.configuration.vocabularyCount == 2048)
    }

    @Test("gpt-nano-sort has a head of its own")
    func untied() throws {
        let checkpoint = try open("gpt-nano-sort/hf")
        #expect(!checkpoint.configuration.tiedEmbeddings)
        #expect(checkpoint.weight(.head)?.tensor.name == "lm_head.weight")
        #expect(checkpoint.configuration.contextCount == 11)
    }

    @Test("a Q8_0 file keeps in F16 what does not fill blocks")
    func mixedTypes() throws {
        let checkpoint = try open("stories260K/gguf/stories260K-q8_0.gguf")
        #expect(checkpoint.weight(.down, layer: 0)?.elementType == .f16)
        #expect(checkpoint.weight(.up, layer: 0)?.elementType == .q8_0)
    }

    @Test(
        "vocabularies without a model are read",
        arguments: [
            ("gpt-2", 50_257), ("llama-bpe", 128_256), ("llama-spm", 32_000), ("qwen2", 151_936), ("falcon", 65_024),
            ("deepseek-coder", 32_256), ("phi-3", 32_064), ("starcoder", 49_152),
        ])
    func vocabularies(name: String, count: Int) throws {
        let path = SharedData.file("tokenizers/gguf/ggml-vocab-\(name).gguf").path
        let file = try GGUFFile(path: path)
        #expect(file.metadata["tokenizer.ggml.tokens"]?.asStrings?.count == count)
        #expect(file.tensorNames.isEmpty)
    }
}
