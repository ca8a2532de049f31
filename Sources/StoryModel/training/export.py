#!/usr/bin/env python3
"""Writes a trained checkpoint as GGUF (Q8_0 matrices, F32 norms) and, if asked, as a Hugging Face folder.

    python3 export.py --checkpoint main-final.pt --name "Needletail Story" --out Sources/StoryModel/story.gguf
"""
import argparse, json, os, shutil
import gguf, numpy as np, sentencepiece, torch
from train import SHAPES, EPS, THETA

LICENCE = "apache-2.0"


def weights(checkpoint, which):
    """Hugging Face tensor names (half-split rotary order) and the shape."""
    c = torch.load(checkpoint)
    D, L, H, KV, FF = shape = SHAPES[c["shape"]]
    s, kv = c[which], KV * (D // H)
    w = {"model.embed_tokens.weight": s["e"], "model.norm.weight": s["n"]}
    for i in range(L):
        g = lambda n: s[f"b.{i}.{n}"]
        q, k, v = g("qkv").split([D, kv, kv])
        gate, up = g("gu").split([FF, FF])
        for n, t in (("input_layernorm", g("n1")), ("post_attention_layernorm", g("n2")), ("self_attn.q_proj", q),
                     ("self_attn.k_proj", k), ("self_attn.v_proj", v), ("self_attn.o_proj", g("o")),
                     ("mlp.gate_proj", gate), ("mlp.up_proj", up), ("mlp.down_proj", g("d"))):
            w[f"model.layers.{i}.{n}.weight"] = t
    return {n: t.float().contiguous().clone() for n, t in w.items()}, shape


def interleave(w, heads):
    """Rotary rows from the half-split order to pairs of neighbours, as llama.cpp's converter permutes them."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def ggml_name(n):
    if n == "model.embed_tokens.weight":
        return "token_embd.weight"
    if n == "model.norm.weight":
        return "output_norm.weight"
    _, _, i, rest = n.split(".", 3)
    return f"blk.{i}.{NAMES[rest.removesuffix('.weight')]}.weight"


def write_gguf(path, w, shape, sp, name, description, context):
    D, L, H, KV, FF = shape
    g = gguf.GGUFWriter(path, "llama")
    g.add_type("model")
    g.add_name(name)
    g.add_description(description)
    g.add_license(LICENCE)
    g.add_languages(["en"])
    g.add_context_length(context)
    g.add_embedding_length(D)
    g.add_block_count(L)
    g.add_feed_forward_length(FF)
    g.add_head_count(H)
    g.add_head_count_kv(KV)
    g.add_layer_norm_rms_eps(EPS)
    g.add_rope_freq_base(THETA)
    g.add_rope_dimension_count(D // H)
    g.add_vocab_size(len(sp))
    g.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    g.add_quantization_version(gguf.GGML_QUANT_VERSION)
    T = gguf.TokenType
    kinds = [T.UNKNOWN if sp.is_unknown(i) else T.CONTROL if sp.is_control(i) else T.BYTE if sp.is_byte(i) else
             T.UNUSED if sp.is_unused(i) else T.NORMAL for i in range(len(sp))]
    g.add_tokenizer_model("llama")
    g.add_tokenizer_pre("default")
    g.add_token_list([sp.id_to_piece(i).encode() for i in range(len(sp))])
    g.add_token_scores([sp.get_score(i) for i in range(len(sp))])
    g.add_token_types([int(k) for k in kinds])
    g.add_bos_token_id(1)
    g.add_eos_token_id(2)
    g.add_unk_token_id(0)
    g.add_add_bos_token(True)
    g.add_add_eos_token(False)
    g.add_add_space_prefix(True)
    Q = gguf.GGMLQuantizationType
    for n, t in w.items():
        a = t.numpy()
        if n.endswith("q_proj.weight"):
            a = interleave(a, H)
        if n.endswith("k_proj.weight"):
            a = interleave(a, KV)
        a = np.ascontiguousarray(a, dtype=np.float32)
        if a.ndim == 2:
            g.add_tensor(ggml_name(n), gguf.quants.quantize(a, Q.Q8_0), raw_dtype=Q.Q8_0)
        else:
            g.add_tensor(ggml_name(n), a)
    g.write_header_to_file()
    g.write_kv_data_to_file()
    g.write_tensors_to_file()
    g.close()


def write_folder(path, w, shape, tokenizer, context):
    from safetensors.torch import save_file
    D, L, H, KV, FF = shape
    os.makedirs(path, exist_ok=True)
    save_file(w, os.path.join(path, "model.safetensors"), metadata={"format": "pt"})
    shutil.copy(tokenizer, os.path.join(path, "tokenizer.model"))
    json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "bos_token_id": 1, "eos_token_id": 2,
               "hidden_act": "silu", "hidden_size": D, "intermediate_size": FF, "max_position_embeddings": context,
               "num_attention_heads": H, "num_hidden_layers": L, "num_key_value_heads": KV, "head_dim": D // H,
               "rms_norm_eps": EPS, "rope_theta": THETA, "tie_word_embeddings": True, "torch_dtype": "float32",
               "vocab_size": w["model.embed_tokens.weight"].shape[0]}, open(os.path.join(path, "config.json"), "w"), indent=1)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--checkpoint", default="main-final.pt")
    a.add_argument("--weights", choices=["model", "average"], default="average", help="last weights or their running mean")
    a.add_argument("--tokenizer", default="Sources/StoryModel/training/tokenizer.model")
    a.add_argument("--name", default="Needletail Story")
    a.add_argument("--description", default="A small model that tells short stories in simple English.")
    a.add_argument("--context", type=int, default=512)
    a.add_argument("--out", help="GGUF file")
    a.add_argument("--folder", help="Hugging Face folder (config.json, model.safetensors, tokenizer.model)")
    a = a.parse_args()
    w, shape = weights(a.checkpoint, a.weights)
    sp = sentencepiece.SentencePieceProcessor(a.tokenizer)
    if a.out:
        write_gguf(a.out, w, shape, sp, a.name, a.description, a.context)
    if a.folder:
        write_folder(a.folder, w, shape, a.tokenizer, a.context)


if __name__ == "__main__":
    main()
