"""Models with the shapes of real ones and random weights: they run as fast as trained ones, and their text means nothing.

    speed_model.py SHAPE OUT [--type f16|bf16]

OUT ends in .gguf: a GGUF file; else a Hugging Face directory (BF16). Needs numpy, and gguf for the former. The tokeniser
is made here: single bytes, and the words that `needletail bench serve` sends, each of which is one token.
"""
import argparse
import json
import os
import struct

import numpy as np

WORDS = (
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not "
    "what all were we when your can said there use an each which she do how their if will up other about out many then "
    "them these so some her would make like him into time has look two more write go see number no way could people my "
    "than first water been call who oil its now find long down day did get come made may part"
).split()

SHAPES = {
    "tiny": dict(arch="qwen2", vocab=2048, d=256, layers=2, heads=4, kv=2, ff=512, base=1e6, tied=True, ctx=2048, bias=True),
    "smol135": dict(arch="llama", vocab=49152, d=576, layers=30, heads=9, kv=3, ff=1536, base=1e5, tied=True, ctx=8192),
    "qwen05": dict(arch="qwen2", vocab=151936, d=896, layers=24, heads=14, kv=2, ff=4864, base=1e6, tied=True, ctx=32768,
                   bias=True),
    "tiny11": dict(arch="llama", vocab=32000, d=2048, layers=22, heads=32, kv=4, ff=5632, base=1e4, tied=False, ctx=2048),
    "llama1b": dict(arch="llama", vocab=128256, d=2048, layers=16, heads=32, kv=8, ff=8192, base=5e5, tied=True, ctx=8192),
}
EPSILON = 1e-5
END = "<|endoftext|>"


def byte_alphabet():
    """The 256 characters that byte-level BPE writes bytes with (GPT-2)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in shown}
    for index, byte in enumerate(b for b in range(256) if b not in letters):
        letters[byte] = chr(256 + index)
    return [letters[byte] for byte in range(256)]


def vocabulary(count):
    """Tokens by id, and the merges that make the words."""
    tokens, merges = byte_alphabet(), []
    known = set(tokens)
    space = tokens[32]
    for word in (space + word for word in WORDS):
        piece = word[0]
        for letter in word[1:]:
            if piece + letter not in known:
                known.add(piece + letter)
                tokens.append(piece + letter)
                merges.append((piece, letter))
            piece += letter
    tokens += [f"<|filler_{i}|>" for i in range(count - 1 - len(tokens))] + [END]
    return tokens, merges


def bfloat16(x):
    """The bits of x rounded to BF16, ties to even."""
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def tensors(s):
    """(GGUF name, Hugging Face name, shape, value of a vector or scale of a matrix), in order."""
    d, kv, ff = s["d"], s["d"] // s["heads"] * s["kv"], s["ff"]
    yield "token_embd.weight", "model.embed_tokens.weight", (s["vocab"], d), 0.05
    if not s["tied"]:
        yield "output.weight", "lm_head.weight", (s["vocab"], d), None
    yield "output_norm.weight", "model.norm.weight", (d,), 1.0
    for i in range(s["layers"]):
        g, h = f"blk.{i}.", f"model.layers.{i}."
        yield g + "attn_norm.weight", h + "input_layernorm.weight", (d,), 1.0
        for name, hf, rows in (("attn_q", "q_proj", d), ("attn_k", "k_proj", kv), ("attn_v", "v_proj", kv)):
            yield f"{g}{name}.weight", f"{h}self_attn.{hf}.weight", (rows, d), None
            if s.get("bias"):
                yield f"{g}{name}.bias", f"{h}self_attn.{hf}.bias", (rows,), 0.01
        yield g + "attn_output.weight", h + "self_attn.o_proj.weight", (d, d), None
        yield g + "ffn_norm.weight", h + "post_attention_layernorm.weight", (d,), 1.0
        yield g + "ffn_gate.weight", h + "mlp.gate_proj.weight", (ff, d), None
        yield g + "ffn_up.weight", h + "mlp.up_proj.weight", (ff, d), None
        yield g + "ffn_down.weight", h + "mlp.down_proj.weight", (d, ff), None


def values(rng, shape, scale):
    if len(shape) == 1:
        return np.full(shape, scale, dtype=np.float32)
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale or 0.7 / np.sqrt(shape[-1]))


def write_gguf(name, out, kind):
    import gguf

    s = SHAPES[name]
    w = gguf.GGUFWriter(out, s["arch"])
    w.add_name(name)
    w.add_context_length(s["ctx"])
    w.add_embedding_length(s["d"])
    w.add_block_count(s["layers"])
    w.add_feed_forward_length(s["ff"])
    w.add_head_count(s["heads"])
    w.add_head_count_kv(s["kv"])
    w.add_rope_freq_base(s["base"])
    w.add_rope_dimension_count(s["d"] // s["heads"])
    w.add_layer_norm_rms_eps(EPSILON)
    w.add_vocab_size(s["vocab"])
    w.add_file_type(32 if kind == "bf16" else 1)
    tokens, merges = vocabulary(s["vocab"])
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([1] * (len(tokens) - 1) + [3])
    w.add_token_merges([" ".join(m) for m in merges])
    w.add_eos_token_id(len(tokens) - 1)
    w.add_add_bos_token(False)
    rng = np.random.default_rng(0)
    for gguf_name, _, shape, scale in tensors(s):
        x = values(rng, shape, scale)
        if len(shape) == 1:
            w.add_tensor(gguf_name, x)
        elif kind == "bf16":
            w.add_tensor(gguf_name, bfloat16(x).view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            w.add_tensor(gguf_name, x.astype(np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_directory(name, out):
    s = SHAPES[name]
    os.makedirs(out, exist_ok=True)

    def put(file, value):
        with open(os.path.join(out, file), "w", encoding="utf-8") as f:
            json.dump(value, f, ensure_ascii=False)

    kind = "Qwen2" if s["arch"] == "qwen2" else "Llama"
    put("config.json", dict(
        architectures=[kind + "ForCausalLM"], model_type=kind.lower(), hidden_size=s["d"], num_hidden_layers=s["layers"],
        num_attention_heads=s["heads"], num_key_value_heads=s["kv"], intermediate_size=s["ff"], vocab_size=s["vocab"],
        max_position_embeddings=s["ctx"], rope_theta=s["base"], rms_norm_eps=EPSILON, hidden_act="silu",
        tie_word_embeddings=s["tied"], torch_dtype="bfloat16", eos_token_id=s["vocab"] - 1, bos_token_id=s["vocab"] - 1))
    tokens, merges = vocabulary(s["vocab"])
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=True)
    put("tokenizer.json", dict(
        version="1.0", truncation=None, padding=None, normalizer=None, pre_tokenizer=level, post_processor=None,
        decoder=level,
        added_tokens=[dict(id=len(tokens) - 1, content=END, single_word=False, lstrip=False, rstrip=False, normalized=False,
                           special=True)],
        model=dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
                   fuse_unk=False, byte_fallback=False, vocab={t: i for i, t in enumerate(tokens)},
                   merges=[list(m) for m in merges])))
    put("tokenizer_config.json", dict(tokenizer_class="PreTrainedTokenizerFast", eos_token=END))
    header, offset = {}, 0
    for _, hf_name, shape, _ in tensors(s):
        size = 2 * int(np.prod(shape))
        header[hf_name] = dict(dtype="BF16", shape=list(shape), data_offsets=[offset, offset + size])
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(0)
    with open(os.path.join(out, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, _, shape, scale in tensors(s):
            f.write(bfloat16(values(rng, shape, scale)).tobytes())


def write(name, out, kind):
    """A GGUF file of `kind`, or a directory where OUT does not end in .gguf."""
    if out.endswith(".gguf"):
        write_gguf(name, out, kind)
    else:
        write_directory(name, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out")
    parser.add_argument("--type", choices=["f16", "bf16"], default="f16")
    options = parser.parse_args()
    write(options.shape, options.out, options.type)
