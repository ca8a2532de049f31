"""Tiny random models with their GGUFs and fp32 references: make_models.py LLAMA_CPP [NAME ...]

LLAMA_CPP is a folder with llama.cpp's convert_hf_to_gguf.py, conversion/ and gguf-py/.
"""
import itertools, json, re, shutil, sys
from pathlib import Path

LLAMA_CPP = Path(sys.argv[1])
sys.path[:0] = [str(LLAMA_CPP), str(LLAMA_CPP / "gguf-py")]

import gguf
import torch
from transformers import (AutoModelForCausalLM, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config)

import tiny_tokenizers
import convert_hf_to_gguf
from conversion import base

HERE = Path(__file__).parent
VOCAB, STEPS, MIN_MARGIN, MIN_DISTINCT = 300, 64, 4e-3, 24
PROMPT_LENGTHS = (1, 7, 40)
SPM = dict(vocab_size=VOCAB, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, num_hidden_layers=2)
QWEN = dict(vocab_size=VOCAB, max_position_embeddings=256, bos_token_id=297, eos_token_id=299, num_hidden_layers=2,
            tie_word_embeddings=True)

# name: (config, tokeniser, stored dtype, further GGUF types)
MODELS = {
    "llama-gqa": (LlamaConfig(
        hidden_size=64, intermediate_size=96, num_attention_heads=8, num_key_value_heads=2, rms_norm_eps=1e-5,
        **SPM), "spm", torch.float32, ["f16", "bf16", "q8_0"]),
    "qwen2": (Qwen2Config(
        hidden_size=64, intermediate_size=48, num_attention_heads=8, num_key_value_heads=2, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, **QWEN), "qwen", torch.bfloat16, []),
    "gpt2": (GPT2Config(
        vocab_size=VOCAB, n_positions=256, n_ctx=256, n_embd=48, n_layer=2, n_head=3, bos_token_id=299,
        eos_token_id=299), "gpt2", torch.float16, []),
    "llama3-scaled": (LlamaConfig(
        hidden_size=48, intermediate_size=80, num_attention_heads=3, num_key_value_heads=1, rms_norm_eps=1e-5,
        tie_word_embeddings=True, rope_parameters={
            "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}, **SPM), "spm", torch.float16, []),
    "llama-bias": (LlamaConfig(
        hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
        attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5, **SPM), "spm", torch.float32, []),
    "mistral": (MistralConfig(
        hidden_size=48, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2, sliding_window=None,
        rms_norm_eps=1e-5, **SPM), "spm", torch.bfloat16, []),
    "mistral-window": (MistralConfig(
        hidden_size=48, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2, sliding_window=8,
        rms_norm_eps=1e-5, **SPM), "spm", torch.bfloat16, []),
    "qwen3": (Qwen3Config(
        hidden_size=48, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2, head_dim=24,
        rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 1e6}, **QWEN),
        "qwen", torch.bfloat16, []),
}
OLD_STYLE_ROPE = {"llama-gqa", "llama3-scaled", "qwen2"}  # config.json with rope_theta and rope_scaling
ONLY_HUGGING_FACE = {"mistral-window"}  # the converter does not write the window
PRE_TOKENIZER = {"qwen": "qwen2", "gpt2": "gpt-2"}


def random_model(config, seed, dtype):
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            norm = re.search(r"(norm|ln_\w+)\.weight$", name)
            parameter.normal_(1 if norm else 0, 0.3 if norm else 0.2, generator=generator)
    return model.to(dtype)


def random_prompts(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCAB - 3, (n,), generator=generator).tolist() for n in PROMPT_LENGTHS]


def floats(tensor):
    return [float(f"{x:.9g}") for x in tensor.tolist()]


@torch.no_grad()
def reference(model, prompts):
    """Greedy continuations, recomputed in full at every step; EOS does not end them."""
    result = []
    for prompt in prompts:
        ids, logprobs, margins = list(prompt), [], []
        entry = {"ids": prompt}
        for step in range(STEPS):
            logits = model(torch.tensor([ids]), use_cache=False).logits[0]
            if step == 0:
                entry["logits_last"] = floats(logits[-1])
                if len(prompt) == PROMPT_LENGTHS[-1]:
                    entry["positions_argmax"] = logits.argmax(-1).tolist()
                    entry["positions_logsumexp"] = floats(logits.logsumexp(-1))
                    top = logits.topk(2).values
                    entry["positions_margin"] = floats(top[:, 0] - top[:, 1])
            top = logits[-1].topk(2)
            margins.append(float(top.values[0] - top.values[1]))
            logprobs.append(float(logits[-1].double().log_softmax(-1)[top.indices[0]]))
            ids.append(int(top.indices[0]))
        entry |= {"greedy_ids": ids[len(prompt):], "greedy_logprobs": floats(torch.tensor(logprobs)),
                  "greedy_margins": floats(torch.tensor(margins)), "min_margin": float(f"{min(margins):.9g}")}
        result.append(entry)
    return result


def good(prompts):
    return all(p["min_margin"] > MIN_MARGIN and min(p.get("positions_margin", [1])) > MIN_MARGIN
               and len(set(p["greedy_ids"])) >= MIN_DISTINCT for p in prompts)


def write_reference(path, seed, prompts):
    path.write_text(json.dumps({"seed": seed, "prompts": prompts}, separators=(",", ":")) + "\n")


def use_old_style_rope(path):
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope if rope["rope_type"] != "default" else None
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def convert(name, tokenizer, outtype):
    if pre := PRE_TOKENIZER.get(tokenizer):  # the converter knows pre-tokenisers by a hash of a known vocabulary's ids
        base.TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
    folder = HERE / "models" / name
    sys.argv = ["convert_hf_to_gguf.py", str(folder / "hf"), "--outfile", str(folder / f"model-{outtype}.gguf"),
                "--outtype", outtype, "--model-name", name]
    convert_hf_to_gguf.main()


def load_llama_gguf(path, model):
    """Puts the dequantised tensors of a Llama GGUF into `model`, undoing the converter's Q/K row order."""
    names = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
             "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
             "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    state = {}
    for tensor in gguf.GGUFReader(path).tensors:
        value = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy()).float()
        layer, short = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.weight", tensor.name).groups()
        if short in heads:
            value = value.view(heads[short], -1, 2, value.shape[1]).transpose(1, 2).reshape(value.shape)
        state[(f"model.layers.{layer}." if layer else "") + names[short] + ".weight"] = value
    model.load_state_dict(state)
    return model


def make(name):
    config, tokenizer, dtype, further_types = MODELS[name]
    folder = HERE / "models" / name
    hf = folder / "hf"
    for seed in itertools.count(1):
        shutil.rmtree(folder, ignore_errors=True)
        hf.mkdir(parents=True)
        random_model(config, seed, dtype).save_pretrained(hf, max_shard_size="50KB" if name == "mistral" else "1GB")
        for shard in hf.glob("*.safetensors"):
            shard.chmod(0o644)
        if name in OLD_STYLE_ROPE:
            use_old_style_rope(hf / "config.json")
        model = AutoModelForCausalLM.from_pretrained(hf, dtype=torch.float32, attn_implementation="eager")
        prompts = reference(model, random_prompts(seed))
        if good(prompts):
            break
    write_reference(folder / "reference.json", seed, prompts)
    if tokenizer == "spm":
        tiny_tokenizers.sentencepiece_bpe(hf, VOCAB)
    else:
        tiny_tokenizers.byte_level_bpe(hf, VOCAB, tokenizer)
    for outtype in [] if name in ONLY_HUGGING_FACE else ["f32", *further_types]:
        convert(name, tokenizer, outtype)
        if further_types:
            load_llama_gguf(folder / f"model-{outtype}.gguf", model)
            again = reference(model, [p["ids"] for p in prompts])
            if outtype == "f32":
                assert again == prompts
            else:
                write_reference(folder / f"reference-{outtype}.json", seed, again)
    print(name, "seed", seed, "smallest margin", min(p["min_margin"] for p in prompts),
          "distinct", [len(set(p["greedy_ids"])) for p in prompts], file=sys.stderr)


torch.set_num_threads(1)
for name in sys.argv[2:] or MODELS:
    make(name)
