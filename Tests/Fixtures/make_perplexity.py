"""perplexity.json: how likely transformers finds a text, in windows: make_perplexity.py

From models/NAME/hf in float32, eager attention, no cache; the likelihoods in float64.
"""
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
TEXT = """Once upon a time there was a small needle that had lost its thread. "Where is my thread?" it asked the
button, the thimble and the pair of scissors. Nobody knew. So the needle rolled across the wide table,
past a mountain of wool, through a valley of ribbons, and down to the very edge: there it hung, blue and
long, from the tail of a sleeping cat. "Good morning," said the needle, and the cat opened one eye.
"""
MODELS = ["llama-gqa", "mistral-window", "qwen3", "gpt2"]
# context, stride, which tokens count
CUTS = [(64, 32, "all"), (64, 64, "all"), (50, 7, "all"), (200, 100, "all"), (48, 48, "second-half")]


def nats(model, ids):
    """-ln p of ids[1:], each behind those before it."""
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0].double()
    scores = torch.log_softmax(logits[:-1], dim=-1)
    return [-float(scores[i, ids[i + 1]]) for i in range(len(ids) - 1)]


def sliding(model, ids, context, stride):
    """transformers' documentation: what a window adds to the one before it counts."""
    found, scored = [], 1
    for start in range(0, len(ids), stride):
        end = min(start + context, len(ids))
        part = nats(model, ids[start:end])
        found += part[max(scored, start + 1) - start - 1:]
        scored = end
        if end == len(ids):
            return found


def second_halves(model, ids, context, first):
    """llama.cpp's tools/perplexity: windows side by side, BOS in place of their first token."""
    found = []
    for start in range(0, len(ids) // context * context, context):
        window = ids[start:start + context]
        if first is not None:
            window = [first] + window[1:]
        found += nats(model, window)[context // 2:]
    return found


def main():
    cases = []
    for name in MODELS:
        folder = HERE / "models" / name / "hf"
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        ids = tokenizer(TEXT)["input_ids"]
        adds = ids[0] == tokenizer.bos_token_id
        for context, stride, scored in CUTS:
            found = (sliding(model, ids, context, stride) if scored == "all" else
                     second_halves(model, ids, context, ids[0] if adds else None))
            mean = sum(found) / len(found)
            variance = sum(x * x for x in found) / len(found) - mean * mean
            cases.append({"model": name, "context": context, "stride": stride, "scored": scored,
                          "tokens": len(ids), "scored_tokens": len(found), "nats_per_token": mean,
                          "standard_error": (variance / (len(found) - 1)) ** 0.5})
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "perplexity.json").write_text(f'{{"text": {json.dumps(TEXT)},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
