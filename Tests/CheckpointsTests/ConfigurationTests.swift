import InferenceTypes
import Testing

@testable import Checkpoints

private let rotary = Rotary(base: 10_000, dimension: 4, layout: .halfSplit, scaling: .none)

/// Members of `config.json`, and a part of what must be said of them.
private let refusedMembers: [(name: String, value: String, message: String)] = [
    ("model_type", "\"mixtral\"", "model_type to be one of llama, mistral, qwen2, qwen3, gpt2, found 'mixtral'"),
    ("architectures", "[\"LlamaForSequenceClassification\"]", "architectures to name LlamaForCausalLM"),
    ("hidden_size", "0", "hidden_size to be a whole number in 1...131072, found 0"),
    ("hidden_size", "8.0", "hidden_size to be a whole number in 1...131072, found 8.0"),
    ("hidden_size", "\"8\"", "found '8'"),
    ("hidden_size", "null", "found null"),
    ("hidden_size", "7", "hidden_size to be 2 heads of 1...1024 elements each, found 7"),
    ("hidden_size", "12", "expected 'model.embed_tokens.weight' of shape [5, 12], found shape [5, 8]"),
    ("num_hidden_layers", "1025", "num_hidden_layers to be a whole number in 1...1024, found 1025"),
    ("num_hidden_layers", "2", "expected a tensor 'model.layers.1.input_layernorm.weight', found none"),
    ("num_key_value_heads", "3", "num_key_value_heads to be a divisor of num_attention_heads, 2, found 3"),
    ("num_key_value_heads", "2", "'model.layers.0.self_attn.k_proj.weight' of shape [8, 8], found shape [4, 8]"),
    ("head_dim", "5", "heads of an even number of elements, since they are rotated in pairs, found 5"),
    ("intermediate_size", "13", "'model.layers.0.mlp.up_proj.weight' of shape [13, 8], found shape [12, 8]"),
    ("vocab_size", "6", "'model.embed_tokens.weight' of shape [6, 8]"),
    ("max_position_embeddings", "1099511627776", "in 1...16777216, found 1099511627776"),
    ("rms_norm_eps", "0", "rms_norm_eps to be a number in 1e-12...0.1, found 0"),
    ("hidden_act", "\"relu\"", "found 'relu'"),
    ("rope_theta", "-1", "rope_theta to be a number in 1.0...1000000000000.0, found -1"),
    ("rope_scaling", "{\"type\":\"yarn\",\"factor\":4.0}", "rope_scaling.type to be 'default', 'linear' or 'llama3'"),
    ("rope_scaling", "{\"rope_type\":\"linear\"}", "rope_scaling.factor to be a number in 1.0...1000000.0, found none"),
    ("partial_rotary_factor", "0.5", "partial_rotary_factor to be 1, found 0.5"),
    ("tie_word_embeddings", "1", "tie_word_embeddings to be true or false, found 1"),
    ("attention_bias", "true", "expected a tensor 'model.layers.0.self_attn.q_proj.bias', found none"),
    (
        "quantization_config", "{\"quant_method\":\"gptq\"}",
        "quantization_config.quant_method to be absent, since quantised safetensors are not supported"
    ),
]

@Suite("Configurations of Hugging Face directories")
struct HuggingFaceConfigurationTests {
    @Test("a Llama, each value where it belongs")
    func llama() throws {
        let checkpoint = try TemporaryDirectory.tinyLlama().open()
        var expected = ModelConfiguration(
            family: .llama, name: "", hiddenSize: 8, layerCount: 1, queryHeadCount: 2, keyValueHeadCount: 1,
            headDimension: 4, feedForwardSize: 12, vocabularyCount: 5, contextCount: 16, norm: .rms(epsilon: 1e-5),
            positions: .rotary(rotary), feedForward: .gated(.silu), tiedEmbeddings: true)
        expected.name = checkpoint.configuration.name
        #expect(checkpoint.configuration == expected)
        #expect(checkpoint.configuration.querySize == 8)
        #expect(checkpoint.configuration.keyValueSize == 4)
    }

    @Test("what is not right or not built is refused by name", arguments: refusedMembers)
    func refused(member: (name: String, value: String, message: String)) throws {
        let directory = try TemporaryDirectory.tinyLlama([member.name: member.value])
        let error = checkpointError { _ = try directory.open() }
        #expect(error?.message.contains(member.message) == true, "\(error?.description ?? "no error")")
    }

    @Test(
        "rotary scaling, in the spelling of transformers 4 and of 5",
        arguments: [
            ("rope_scaling", "null", Rotary.Scaling.none),
            ("rope_scaling", "{\"type\":\"linear\",\"factor\":2.0}", .linear(factor: 2)),
            ("rope_parameters", "{\"rope_type\":\"default\",\"rope_theta\":10000.0}", .none),
            ("rope_parameters", "{\"rope_type\":\"linear\",\"rope_theta\":10000.0,\"factor\":4}", .linear(factor: 4)),
            (
                "rope_scaling",
                "{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
                    + "\"original_max_position_embeddings\":8}",
                .llama3(factor: 8, low: 1, high: 4, originalContext: 8)
            ),
        ])
    func scaling(name: String, value: String, expected: Rotary.Scaling) throws {
        let configuration = try TemporaryDirectory.tinyLlama([name: value]).open().configuration
        var wanted = rotary
        wanted.scaling = expected
        #expect(configuration.positions == .rotary(wanted))
    }

    @Test("the base is taken from rope_parameters, else from rope_theta, else it is Llama 1's")
    func rotaryBase() throws {
        let bases: [(changes: [String: String?], base: Double)] = [
            (["rope_parameters": "{\"rope_theta\":5e5}"], 5e5), (["rope_theta": "1e6"], 1e6),
            (["rope_theta": nil as String?], 1e4),
        ]
        for (changes, base) in bases {
            var wanted = rotary
            wanted.base = base
            #expect(try TemporaryDirectory.tinyLlama(changes).open().configuration.positions == .rotary(wanted))
        }
    }

    @Test(
        "Mistral's window: as said, none for null, 4096 when nothing is said, none when the context is no longer",
        arguments: [("8", "16", 8), ("null", "16", nil), (nil, "8192", 4096), (nil, "4096", nil)]
            as [(
                String?, String, Int?
            )])
    func window(said: String?, context: String, expected: Int?) throws {
        let configuration = try TemporaryDirectory.tinyLlama([
            "model_type": "\"mistral\"", "architectures": "[\"MistralForCausalLM\"]", "sliding_window": said,
            "max_position_embeddings": context,
        ]).open().configuration
        #expect(configuration.family == .llama)
        #expect(configuration.attentionWindow == expected)
    }

    @Test("a window on some layers only is refused by name")
    func windowPattern() throws {
        var weights = SafetensorsBuilder.tinyLlama
        for (name, count) in [("q", 8), ("k", 4), ("v", 4)] {
            weights.tensors.append(.init("model.layers.0.self_attn.\(name)_proj.bias", [count]))
        }
        func open(_ changes: [String: String?]) throws -> Checkpoint {
            var all = changes
            all["model_type"] = "\"qwen2\""
            all["architectures"] = "[\"Qwen2ForCausalLM\"]"
            all["sliding_window"] = "8"
            return try TemporaryDirectory.tinyLlama(all, weights: weights).open()
        }
        #expect(try open(["use_sliding_window": "false"]).configuration.attentionWindow == nil)
        #expect(
            try open(["use_sliding_window": "true", "max_window_layers": "1"]).configuration.attentionWindow == nil)
        #expect(try open(["use_sliding_window": "true", "max_window_layers": "0"]).configuration.attentionWindow == 8)
        let types = "[\"full_attention\",\"sliding_attention\"]"
        let error = checkpointError { _ = try open(["use_sliding_window": "true", "layer_types": types]) }
        #expect(error?.message.contains("a pattern is not supported") == true)
    }

    @Test("embedding and head: one tensor under either name, or two")
    func ties() throws {
        var weights = SafetensorsBuilder.tinyLlama
        let both = try TemporaryDirectory.tinyLlama(["tie_word_embeddings": "false"], weights: weights).open()
        #expect(both.configuration.tiedEmbeddings)
        #expect(both.weight(.head)?.tensor.name == "model.embed_tokens.weight")

        weights.tensors[0].name = "lm_head.weight"
        let headOnly = try TemporaryDirectory.tinyLlama(weights: weights).open()
        #expect(headOnly.configuration.tiedEmbeddings)
        #expect(headOnly.weight(.embedding)?.tensor.name == "lm_head.weight")

        weights.tensors.append(.init("model.embed_tokens.weight", [5, 8]))
        let untied = try TemporaryDirectory.tinyLlama(["tie_word_embeddings": "false"], weights: weights).open()
        #expect(!untied.configuration.tiedEmbeddings)
        #expect(untied.weight(.head)?.tensor.name == "lm_head.weight")
        #expect(untied.weight(.embedding)?.tensor.name == "model.embed_tokens.weight")

        let tied = try TemporaryDirectory.tinyLlama(["tie_word_embeddings": "true"], weights: weights).open()
        #expect(tied.configuration.tiedEmbeddings)
        #expect(tied.weight(.head)?.tensor.name == "model.embed_tokens.weight")
    }

    @Test("a weight in an element type that we do not read is named")
    func elementType() throws {
        var weights = SafetensorsBuilder.tinyLlama
        weights.tensors[3].type = "F64"
        weights.tensors[3].elementByteCount = 8
        let directory = try TemporaryDirectory.tinyLlama(weights: weights)
        let error = checkpointError { _ = try directory.open() }
        #expect(
            error?.message == "expected a tensor 'model.layers.0.self_attn.q_proj.weight', "
                + "found element type 'F64', which is not supported")
    }
}

@Suite("Configurations of GGUF files")
struct GGUFConfigurationTests {
    private func open(_ change: (inout GGUFBuilder) -> Void) throws -> Checkpoint {
        var file = GGUFBuilder.tinyLlama
        change(&file)
        return try Checkpoint(GGUFFile(mapping(file.build(), name: "tiny.gguf")))
    }

    @Test("a Llama, each value where it belongs")
    func llama() throws {
        let checkpoint = try open { $0.set("general.name", "Tiny") }
        let expected = ModelConfiguration(
            family: .llama, name: "Tiny", hiddenSize: 8, layerCount: 1, queryHeadCount: 2, keyValueHeadCount: 1,
            headDimension: 4, feedForwardSize: 12, vocabularyCount: 5, contextCount: 16, norm: .rms(epsilon: 1e-5),
            positions: .rotary(Rotary(base: 10_000, dimension: 4, layout: .interleaved, scaling: .none)),
            feedForward: .gated(.silu), tiedEmbeddings: true)
        #expect(checkpoint.configuration == expected)
    }

    @Test("frequency factors and a linear factor are found, both at once refused")
    func scaling() throws {
        func scaling(_ change: (inout GGUFBuilder) -> Void) throws -> Rotary.Scaling? {
            guard case .rotary(let rotary) = try open(change).configuration.positions else { return nil }
            return rotary.scaling
        }
        let factors = GGUFBuilder.Tensor("rope_freqs.weight", [2], bytes: floats([1, 8]))
        #expect(try scaling { $0.tensors.append(factors) } == .frequencyFactors)
        #expect(
            try scaling {
                $0.set("llama.rope.scaling.type", "linear")
                $0.set("llama.rope.scaling.factor", float: 4)
            } == .linear(factor: 4))
        #expect(try scaling { $0.set("llama.rope.scale_linear", float: 2) } == .linear(factor: 2))
        let both = checkpointError {
            _ = try open {
                $0.tensors.append(factors)
                $0.set("llama.rope.scale_linear", float: 2)
            }
        }
        #expect(both?.message.contains("absent beside the tensor of frequency factors") == true)
    }

    @Test("biases are found from the tensors, and then each layer must have them")
    func biases() throws {
        let checkpoint = try open { $0.tensors.append(.init("blk.0.attn_output.bias", [8])) }
        #expect(checkpoint.configuration.biases == .attentionOutput)
        let error = checkpointError { _ = try open { $0.tensors.append(.init("blk.0.attn_q.bias", [8])) } }
        #expect(error?.message == "expected a tensor 'blk.0.attn_k.bias', found none")
    }

    @Test(
        "what is not right or not built is refused by name",
        arguments: [
            ("general.architecture", "falcon", "one of llama, qwen2, qwen3, gpt2, found 'falcon'"),
            ("general.type", "adapter", "general.type to be 'model', found 'adapter'"),
            ("llama.rope.scaling.type", "yarn", "'none' or 'linear', found 'yarn'"),
            ("llama.block_count", "1", "llama.block_count to be a whole number in 1...1024, found '1'"),
        ])
    func refusedText(key: String, value: String, message: String) {
        let error = checkpointError { _ = try open { $0.set(key, value) } }
        #expect(error?.message.contains(message) == true, "\(error?.description ?? "no error")")
    }

    @Test(
        "numbers out of range, and counts of what is not built",
        arguments: [
            ("llama.expert_count", 8, "absent, since a mixture of experts is not supported, found 8"),
            ("split.count", 3, "split GGUF files are not supported, found 3"),
            ("llama.context_length", 0, "llama.context_length to be a whole number in 1...16777216, found 0"),
            ("llama.attention.head_count", 3, "llama.embedding_length to be 3 heads"),
            ("llama.attention.head_count_kv", 0, "in 1...1024, found 0"),
            ("llama.attention.value_length", 8, "llama.attention.value_length to be attention.key_length, 4, found 8"),
            ("llama.rope.dimension_count", 3, "llama.rope.dimension_count to be even and at most 4, found 3"),
        ] as [(String, UInt32, String)])
    func refusedNumber(key: String, value: UInt32, message: String) {
        let error = checkpointError { _ = try open { $0.set(key, value) } }
        #expect(error?.message.contains(message) == true, "\(error?.description ?? "no error")")
    }

    @Test("bases and epsilons that are no usable numbers", arguments: [Float.nan, .infinity, 0, -1])
    func refusedFloats(value: Float) {
        for key in ["llama.rope.freq_base", "llama.attention.layer_norm_rms_epsilon"] {
            let error = checkpointError { _ = try open { $0.set(key, float: value) } }
            #expect(error?.section == "configuration", "\(key)")
        }
    }

    @Test("a norm in blocks is refused")
    func quantisedVector() {
        let error = checkpointError {
            _ = try open {
                $0.set("llama.embedding_length", 32)
                $0.tensors[0] = .init("token_embd.weight", [32, 5])
                $0.tensors[1] = .init("output_norm.weight", [32], type: 8, bytes: [UInt8](repeating: 0, count: 34))
            }
        }
        #expect(error?.message == "expected 'output_norm.weight', a vector, in F32, F16 or BF16, found Q8_0")
    }
}
