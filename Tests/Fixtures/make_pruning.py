"""pruning.json: masks by Wanda's rule in NumPy; input_norms.json: what transformers' hooks see: make_pruning.py

The rule as published (arXiv 2306.11695): |w| times the L2 norm of the input, compared within each output's row; of equal
scores the first goes first, which is what a stable sort does.
"""
import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
MODELS = ["llama-gqa", "qwen3", "gpt2"]
TOKENS = 37
# What reads a layer's inputs: Llama's names and GPT-2's.
SITES = {
    "heads": ("self_attn.q_proj", "attn.c_attn"), "attentionOutput": ("self_attn.o_proj", "attn.c_proj"),
    "widening": ("mlp.up_proj", "mlp.c_fc"), "down": ("mlp.down_proj", "mlp.c_proj"),
}


def removed(scores, pattern):
    mask = np.zeros(scores.shape, bool)
    for row, flags in zip(scores, mask):
        if isinstance(pattern, float):
            flags[np.argsort(row, kind="stable")[:int(len(row) * pattern)]] = True
        else:
            keep, of = pattern
            for start in range(0, len(row), of):
                order = np.argsort(row[start:start + of], kind="stable")
                flags[start + order[:max(0, len(order) - keep)]] = True
    return mask


def masks():
    random = np.random.default_rng(40)
    cases = []
    for rows, columns, ties in [(4, 16, False), (3, 22, False), (5, 24, True)]:
        weights = random.normal(size=(rows, columns)).astype(np.float32)
        norms = (random.gamma(1.0, 4.0, size=columns) + 0.01).astype(np.float32)
        if ties:  # values that come again and again, and inputs that never came
            weights = (np.round(weights * 2) / 2).astype(np.float32)
            norms = np.round(norms / 4).astype(np.float32)
        for name, pattern in [("0.5", 0.5), ("0.3", 0.3), ("0.75", 0.75), ("2:4", (2, 4)), ("1:4", (1, 4)), ("4:8", (4, 8))]:
            for scale in (None, norms):
                scores = np.abs(weights) * (1 if scale is None else scale)
                cases.append({
                    "pattern": name, "columns": columns, "weights": weights.flatten().tolist(),
                    "norms": None if scale is None else scale.tolist(),
                    "removed": np.flatnonzero(removed(scores, pattern)).tolist()})
    return cases


def input_norms(name):
    """Of every layer's inputs, over the tokens of a random text, in float64."""
    folder = HERE / "models" / name / "hf"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    found = {}

    def hook(key):
        def hear(module, inputs, output):
            found[key] = torch.sqrt((inputs[0][0].double() ** 2).sum(0)).tolist()
        return hear

    for path, module in model.named_modules():
        parts = path.split(".")
        for site, endings in SITES.items():
            if any(path.endswith("." + ending) for ending in endings):
                layer = next(int(part) for part in parts if part.isdigit())
                module.register_forward_hook(hook(f"{layer}.{site}"))
    ids = torch.randint(3, 290, (TOKENS,), generator=torch.Generator().manual_seed(41)).tolist()
    with torch.no_grad():
        model(torch.tensor([ids]), use_cache=False)
    rounded = {key: [float(f"{x:.8g}") for x in norms] for key, norms in found.items()}
    return {"model": name, "ids": ids, "norms": rounded}


def write(name, members):
    lines = ",\n".join(json.dumps(member) for member in members)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write("pruning.json", masks())
    write("input_norms.json", [input_norms(name) for name in MODELS])
