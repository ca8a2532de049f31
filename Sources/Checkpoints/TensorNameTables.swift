/// The tables themselves. Names are data: a family adds a table here and nothing elsewhere.
extension TensorNames {
    /// Hugging Face files of Llama, Mistral, Qwen2 and Qwen3.
    static let llamaSafetensors = TensorNames(
        model: [
            .embedding: Place("model.embed_tokens.weight"), .finalNorm: Place("model.norm.weight"),
            .head: Place("lm_head.weight"),
        ],
        layerPrefix: "model.layers.",
        layer: [
            .attentionNorm: Place("input_layernorm.weight"),
            .query: Place("self_attn.q_proj.weight"), .queryBias: Place("self_attn.q_proj.bias"),
            .key: Place("self_attn.k_proj.weight"), .keyBias: Place("self_attn.k_proj.bias"),
            .value: Place("self_attn.v_proj.weight"), .valueBias: Place("self_attn.v_proj.bias"),
            .queryNorm: Place("self_attn.q_norm.weight"), .keyNorm: Place("self_attn.k_norm.weight"),
            .attentionOutput: Place("self_attn.o_proj.weight"), .attentionOutputBias: Place("self_attn.o_proj.bias"),
            .feedForwardNorm: Place("post_attention_layernorm.weight"),
            .gate: Place("mlp.gate_proj.weight"), .gateBias: Place("mlp.gate_proj.bias"),
            .up: Place("mlp.up_proj.weight"), .upBias: Place("mlp.up_proj.bias"),
            .down: Place("mlp.down_proj.weight"), .downBias: Place("mlp.down_proj.bias"),
        ])

    /// Hugging Face files of GPT-2. The published ones leave out `transformer.`.
    ///
    /// `attn.bias` and `attn.masked_bias`, the causal mask of older files, are in no table.
    static func gpt2Safetensors(prefix: String) -> TensorNames {
        TensorNames(
            model: [
                .embedding: Place(prefix + "wte.weight"), .positionEmbedding: Place(prefix + "wpe.weight"),
                .finalNorm: Place(prefix + "ln_f.weight"), .finalNormBias: Place(prefix + "ln_f.bias"),
                .head: Place("lm_head.weight"),
            ],
            layerPrefix: prefix + "h.",
            layer: [
                .attentionNorm: Place("ln_1.weight"), .attentionNormBias: Place("ln_1.bias"),
                .query: Place("attn.c_attn.weight", layout: .transposed, part: .fusedQuery),
                .key: Place("attn.c_attn.weight", layout: .transposed, part: .fusedKey),
                .value: Place("attn.c_attn.weight", layout: .transposed, part: .fusedValue),
                .queryBias: Place("attn.c_attn.bias", part: .fusedQuery),
                .keyBias: Place("attn.c_attn.bias", part: .fusedKey),
                .valueBias: Place("attn.c_attn.bias", part: .fusedValue),
                .attentionOutput: Place("attn.c_proj.weight", layout: .transposed),
                .attentionOutputBias: Place("attn.c_proj.bias"),
                .feedForwardNorm: Place("ln_2.weight"), .feedForwardNormBias: Place("ln_2.bias"),
                .up: Place("mlp.c_fc.weight", layout: .transposed), .upBias: Place("mlp.c_fc.bias"),
                .down: Place("mlp.c_proj.weight", layout: .transposed), .downBias: Place("mlp.c_proj.bias"),
            ])
    }

    /// GGUF files of Llama, Qwen2 and Qwen3.
    ///
    /// - Source: llama.cpp, `gguf-py/gguf/constants.py`, `TENSOR_NAMES`.
    static let llamaGGUF = TensorNames(
        model: ggufModel, layerPrefix: "blk.",
        layer: ggufLayer.merging(
            [
                .query: Place("attn_q.weight"), .queryBias: Place("attn_q.bias"),
                .key: Place("attn_k.weight"), .keyBias: Place("attn_k.bias"),
                .value: Place("attn_v.weight"), .valueBias: Place("attn_v.bias"),
            ]) { $1 })

    /// GGUF files of GPT-2, whose matrices the converter turns.
    static let gpt2GGUF = TensorNames(
        model: ggufModel, layerPrefix: "blk.",
        layer: ggufLayer.merging(
            [
                .query: Place("attn_qkv.weight", part: .fusedQuery),
                .queryBias: Place("attn_qkv.bias", part: .fusedQuery),
                .key: Place("attn_qkv.weight", part: .fusedKey), .keyBias: Place("attn_qkv.bias", part: .fusedKey),
                .value: Place("attn_qkv.weight", part: .fusedValue),
                .valueBias: Place("attn_qkv.bias", part: .fusedValue),
            ]) { $1 })

    private static let ggufModel: [TensorRole: Place] = [
        .embedding: Place("token_embd.weight"), .positionEmbedding: Place("position_embd.weight"),
        .finalNorm: Place("output_norm.weight"), .finalNormBias: Place("output_norm.bias"),
        .head: Place("output.weight"), .frequencyFactors: Place("rope_freqs.weight"),
    ]

    private static let ggufLayer: [TensorRole: Place] = [
        .attentionNorm: Place("attn_norm.weight"), .attentionNormBias: Place("attn_norm.bias"),
        .queryNorm: Place("attn_q_norm.weight"), .keyNorm: Place("attn_k_norm.weight"),
        .attentionOutput: Place("attn_output.weight"), .attentionOutputBias: Place("attn_output.bias"),
        .feedForwardNorm: Place("ffn_norm.weight"), .feedForwardNormBias: Place("ffn_norm.bias"),
        .gate: Place("ffn_gate.weight"), .gateBias: Place("ffn_gate.bias"),
        .up: Place("ffn_up.weight"), .upBias: Place("ffn_up.bias"),
        .down: Place("ffn_down.weight"), .downBias: Place("ffn_down.bias"),
    ]
}

extension TensorNames {
    /// This table with embedding and head on one tensor where the weights hold one, or where the file says so.
    ///
    /// Either may be the one that is there: files hold a shared tensor once, under the name that their writer met
    /// first.
    func tying(_ ties: EmbeddingTies, in weights: any WeightSource) -> (names: TensorNames, tied: Bool) {
        guard let embedding = model[.embedding], let head = model[.head] else { return (self, false) }
        var names = self
        if weights.holds(embedding.name), ties == .always || !weights.holds(head.name) {
            names.model[.head] = embedding
            return (names, true)
        }
        if !weights.holds(embedding.name), weights.holds(head.name) {
            names.model[.embedding] = head
            return (names, true)
        }
        return (names, false)
    }
}

/// What a file says of embedding and head.
enum EmbeddingTies: Equatable {
    /// One tensor; a second one is ignored.
    case always
    /// Two tensors where two are there, else one.
    case asFound
}

extension WeightSource {
    /// Whether the tensor is there, be its elements readable or not.
    func holds(_ name: String) -> Bool { tensor(name) != nil || unsupportedElementType(name) != nil }
}
