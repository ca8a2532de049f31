import Foundation
import InferenceTypes

@testable import Checkpoints

/// Little-endian bytes.
func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

func floats(_ values: [Float]) -> [UInt8] { values.flatMap { little($0.bitPattern) } }

/// A mapping of bytes that live as long as the tests.
func mapping(_ bytes: [UInt8], name: String = "model.gguf") -> FileMapping {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 64)
    copy.copyBytes(from: bytes)
    return FileMapping(embedded: UnsafeRawBufferPointer(copy), name: name)
}

/// Writes GGUF files by hand, right ones and wrong ones.
struct GGUFBuilder {
    struct Tensor {
        var name: [UInt8]
        /// Innermost first, as the format has it.
        var dimensions: [UInt64]
        var type: UInt32 = 0
        var offset: UInt64?
        var bytes: [UInt8]

        init(_ name: String, _ dimensions: [UInt64], type: UInt32 = 0, bytes: [UInt8]) {
            self.name = Array(name.utf8)
            self.dimensions = dimensions
            self.type = type
            self.bytes = bytes
        }

        /// F32, all zero.
        init(_ name: String, _ dimensions: [UInt64]) {
            self.init(name, dimensions, bytes: [UInt8](repeating: 0, count: Int(dimensions.reduce(4, *))))
        }
    }

    var magic = Array("GGUF".utf8)
    var version: UInt32 = 3
    /// Key, type and value as they lie.
    var pairs: [(key: [UInt8], type: UInt32, value: [UInt8])] = []
    var tensors: [Tensor] = []
    var alignment = 32
    var keyCount: UInt64?
    var tensorCount: UInt64?

    static func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + text.utf8 }

    mutating func set(_ key: String, type: UInt32, _ value: [UInt8]) {
        pairs.removeAll { $0.key == Array(key.utf8) }
        pairs.append((Array(key.utf8), type, value))
    }

    mutating func set(_ key: String, _ value: UInt32) { set(key, type: 4, little(value)) }
    mutating func set(_ key: String, float value: Float) { set(key, type: 6, little(value.bitPattern)) }
    mutating func set(_ key: String, _ value: String) { set(key, type: 8, Self.string(value)) }

    func build() -> [UInt8] {
        var file = magic + little(version) + little(tensorCount ?? UInt64(tensors.count))
        file += little(keyCount ?? UInt64(pairs.count))
        for pair in pairs { file += little(UInt64(pair.key.count)) + pair.key + little(pair.type) + pair.value }
        var data: [UInt8] = []
        for tensor in tensors {
            pad(&data)
            file += little(UInt64(tensor.name.count)) + tensor.name + little(UInt32(tensor.dimensions.count))
            file += tensor.dimensions.flatMap { little($0) } + little(tensor.type)
            file += little(tensor.offset ?? UInt64(data.count))
            data += tensor.bytes
        }
        if !tensors.isEmpty { pad(&file) }
        return file + data
    }

    private func pad(_ bytes: inout [UInt8]) {
        while bytes.count % alignment != 0 { bytes.append(0) }
    }

    /// A Llama of one layer: hidden 8, 2 query heads, 1 KV head, feed-forward 12, vocabulary 5, context 16.
    static var tinyLlama: GGUFBuilder {
        var file = GGUFBuilder()
        file.set("general.architecture", "llama")
        file.set("llama.context_length", 16)
        file.set("llama.embedding_length", 8)
        file.set("llama.block_count", 1)
        file.set("llama.feed_forward_length", 12)
        file.set("llama.attention.head_count", 2)
        file.set("llama.attention.head_count_kv", 1)
        file.set("llama.attention.layer_norm_rms_epsilon", float: 1e-5)
        file.tensors = [
            Tensor("token_embd.weight", [8, 5]), Tensor("output_norm.weight", [8]),
            Tensor("blk.0.attn_norm.weight", [8]), Tensor("blk.0.attn_q.weight", [8, 8]),
            Tensor("blk.0.attn_k.weight", [8, 4]), Tensor("blk.0.attn_v.weight", [8, 4]),
            Tensor("blk.0.attn_output.weight", [8, 8]), Tensor("blk.0.ffn_norm.weight", [8]),
            Tensor("blk.0.ffn_gate.weight", [8, 12]), Tensor("blk.0.ffn_up.weight", [8, 12]),
            Tensor("blk.0.ffn_down.weight", [12, 8]),
        ]
        return file
    }
}

/// Writes safetensors files by hand.
struct SafetensorsBuilder {
    struct Tensor {
        var name: String
        var shape: [Int]
        var type = "F32"
        var elementByteCount = 4
        var bytes: [UInt8]?

        init(_ name: String, _ shape: [Int], type: String = "F32", elementByteCount: Int = 4, bytes: [UInt8]? = nil) {
            self.name = name
            self.shape = shape
            self.type = type
            self.elementByteCount = elementByteCount
            self.bytes = bytes
        }
    }

    var tensors: [Tensor] = []
    /// In the place of the header that the tensors make.
    var header: String?

    func build() -> [UInt8] {
        var entries: [String] = []
        var data: [UInt8] = []
        for tensor in tensors {
            let bytes =
                tensor.bytes ?? [UInt8](repeating: 0, count: tensor.shape.reduce(tensor.elementByteCount, *))
            entries.append(
                "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type)\",\"shape\":\(tensor.shape),"
                    + "\"data_offsets\":[\(data.count),\(data.count + bytes.count)]}")
            data += bytes
        }
        let text = header ?? "{" + entries.joined(separator: ",") + "}"
        return little(UInt64(text.utf8.count)) + text.utf8 + data
    }

    /// The tensors of the Llama of `GGUFBuilder.tinyLlama`, embedding and head shared.
    static var tinyLlama: SafetensorsBuilder {
        let layer = "model.layers.0."
        return SafetensorsBuilder(tensors: [
            Tensor("model.embed_tokens.weight", [5, 8]), Tensor("model.norm.weight", [8]),
            Tensor(layer + "input_layernorm.weight", [8]), Tensor(layer + "self_attn.q_proj.weight", [8, 8]),
            Tensor(layer + "self_attn.k_proj.weight", [4, 8]), Tensor(layer + "self_attn.v_proj.weight", [4, 8]),
            Tensor(layer + "self_attn.o_proj.weight", [8, 8]), Tensor(layer + "post_attention_layernorm.weight", [8]),
            Tensor(layer + "mlp.gate_proj.weight", [12, 8]), Tensor(layer + "mlp.up_proj.weight", [12, 8]),
            Tensor(layer + "mlp.down_proj.weight", [8, 12]),
        ])
    }
}

/// A directory that is gone when the test is over.
final class TemporaryDirectory {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "checkpoints-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: url.appending(path: name))
    }

    func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

    func open() throws -> Checkpoint { try Checkpoint.open(path: url.path) }

    /// A Hugging Face directory with the tiny Llama; `changes` replace or add members of its `config.json`, written
    /// as JSON.
    static func tinyLlama(
        _ changes: [String: String?] = [:], weights: SafetensorsBuilder = .tinyLlama
    ) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try directory.write("model.safetensors", weights.build())
        try directory.write("config.json", configText(changes))
        return directory
    }

    static func configText(_ changes: [String: String?]) -> String {
        var members: [String: String] = [
            "model_type": "\"llama\"", "architectures": "[\"LlamaForCausalLM\"]", "hidden_size": "8",
            "num_hidden_layers": "1", "num_attention_heads": "2", "num_key_value_heads": "1",
            "intermediate_size": "12", "vocab_size": "5", "max_position_embeddings": "16", "rms_norm_eps": "1e-5",
            "hidden_act": "\"silu\"", "rope_theta": "10000.0", "tie_word_embeddings": "true",
        ]
        for (name, value) in changes { members[name] = value }
        return "{" + members.map { "\"\($0.key)\":\($0.value)" }.sorted().joined(separator: ",") + "}"
    }
}

/// The error of `body`, nil when it does not throw one of ours.
func checkpointError(_ body: () throws -> Void) -> CheckpointError? {
    do {
        try body()
        return nil
    } catch {
        return error as? CheckpointError
    }
}
