"""A model of random weights with a long context, for what needs real work and no sense: a Hugging Face directory with the
tokeniser of another one. 25 million parameters, so that a prompt of 2,000 tokens takes a second or two on two processors.

    python3 make_model.py TOKENISER_DIRECTORY OUTPUT_DIRECTORY
"""
import array
import json
import pathlib
import random
import shutil
import struct
import sys

HIDDEN, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 512, 8, 8, 4, 1536, 8192
HEAD = HIDDEN // HEADS

source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json",
             "generation_config.json"):
    if (source / name).exists():
        shutil.copyfile(source / name, target / name)
vocabulary = json.loads((source / "config.json").read_text())["vocab_size"]
(target / "config.json").write_text(json.dumps({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": HIDDEN,
    "intermediate_size": FEED_FORWARD, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS, "head_dim": HEAD, "max_position_embeddings": CONTEXT, "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "torch_dtype": "float16", "vocab_size": vocabulary,
    "bos_token_id": 1, "eos_token_id": 2}))

tensors = {"model.embed_tokens.weight": (vocabulary, HIDDEN), "model.norm.weight": (HIDDEN,)}
for layer in range(LAYERS):
    place = f"model.layers.{layer}"
    tensors |= {
        f"{place}.input_layernorm.weight": (HIDDEN,), f"{place}.post_attention_layernorm.weight": (HIDDEN,),
        f"{place}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
        f"{place}.self_attn.k_proj.weight": (KV_HEADS * HEAD, HIDDEN),
        f"{place}.self_attn.v_proj.weight": (KV_HEADS * HEAD, HIDDEN),
        f"{place}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
        f"{place}.mlp.gate_proj.weight": (FEED_FORWARD, HIDDEN), f"{place}.mlp.up_proj.weight": (FEED_FORWARD, HIDDEN),
        f"{place}.mlp.down_proj.weight": (HIDDEN, FEED_FORWARD),
    }
header, offset = {}, 0
for name, shape in tensors.items():
    size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
    header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, offset + size]}
    offset += size
encoded = json.dumps(header).encode()
encoded += b" " * (-len(encoded) % 8)

# Random bytes that are numbers of about the right size: sign and mantissa at random, the exponent between 2^-8 and 2^-5.
rng = random.Random(9)
exponents = array.array("H", (rng.choice((7, 8, 9, 10)) << 10 for _ in range(1 << 16)))
with open(target / "model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(encoded)) + encoded)
    for name, shape in tensors.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        if len(shape) == 1:
            file.write(struct.pack("<e", 1) * count)
            continue
        mantissas = int.from_bytes(rng.randbytes(2 * count), "little") & int.from_bytes(b"\xff\x83" * count, "little")
        repeated = (exponents.tobytes() * (2 * count // (2 << 16) + 1))[:2 * count]
        file.write((mantissas | int.from_bytes(repeated, "little")).to_bytes(2 * count, "little"))
