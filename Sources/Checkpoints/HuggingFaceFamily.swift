/// How a family's `config.json` spells what we read, and what is the same for all its models.
struct HuggingFaceFamily {
    enum NormKind {
        case rms, layer
    }

    enum PositionKind {
        case rotary, learned
    }

    enum Window {
        /// The family has none, whatever the file says.
        case none
        /// `sliding_window`, by default so many.
        case always(default: Int)
        /// `sliding_window` where `use_sliding_window` is true.
        case optIn
    }

    var family: ModelFamily
    var modelType: String
    var architecture: String
    var hiddenSize = "hidden_size"
    var layerCount = "num_hidden_layers"
    var queryHeadCount = "num_attention_heads"
    var keyValueHeadCount: String? = "num_key_value_heads"
    var feedForwardSize = "intermediate_size"
    var contextCount = "max_position_embeddings"
    var activation = "hidden_act"
    var norm = NormKind.rms
    var epsilon = "rms_norm_eps"
    var positions = PositionKind.rotary
    var isGated = true
    var queryKeyNorm = QueryKeyNorm.none
    var biases: Biases = []
    /// Biases that a file may switch on.
    var biasFlags: [(name: String, biases: Biases)] = []
    var window = Window.none
    /// What transformers takes when `tie_word_embeddings` is absent.
    var tiesByDefault = false
    /// Tried in order, the first whose final norm is there is taken.
    var names: [TensorNames] = [.llamaSafetensors]

    static let all: [HuggingFaceFamily] = [
        HuggingFaceFamily(
            family: .llama, modelType: "llama", architecture: "LlamaForCausalLM",
            biasFlags: [("attention_bias", [.attentionQKV, .attentionOutput]), ("mlp_bias", .feedForward)]),
        HuggingFaceFamily(
            family: .llama, modelType: "mistral", architecture: "MistralForCausalLM", window: .always(default: 4096)),
        HuggingFaceFamily(
            family: .qwen2, modelType: "qwen2", architecture: "Qwen2ForCausalLM", biases: .attentionQKV,
            window: .optIn),
        HuggingFaceFamily(
            family: .qwen3, modelType: "qwen3", architecture: "Qwen3ForCausalLM", queryKeyNorm: .perHead,
            biasFlags: [("attention_bias", [.attentionQKV, .attentionOutput])], window: .optIn),
        HuggingFaceFamily(
            family: .gpt2, modelType: "gpt2", architecture: "GPT2LMHeadModel", hiddenSize: "n_embd",
            layerCount: "n_layer", queryHeadCount: "n_head", keyValueHeadCount: nil, feedForwardSize: "n_inner",
            contextCount: "n_positions", activation: "activation_function", norm: .layer,
            epsilon: "layer_norm_epsilon", positions: .learned, isGated: false,
            biases: [.attentionQKV, .attentionOutput, .feedForward], tiesByDefault: true,
            names: [.gpt2Safetensors(prefix: "transformer."), .gpt2Safetensors(prefix: "")]),
    ]
}
