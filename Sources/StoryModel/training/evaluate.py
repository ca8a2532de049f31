#!/usr/bin/env python3
"""Measures a finished GGUF file, from the file: bits per byte, tokeniser check, samples, reference vectors.

The matrices are dequantised from Q8_0 and the rotary rows brought back to the
half-split order; the forward pass is torch float32 on one thread.

    python3 evaluate.py --gguf Sources/StoryModel/story.gguf --checkpoint main-final.pt \
        --samples samples.md --reference Sources/StoryModel/reference.json
"""
import argparse, json
import gguf, numpy as np, sentencepiece, torch
from train import BOS, EOS, Model, bits_per_byte, encode
from tokenizer import HELD_OUT, stories

PROMPTS = ["", "Once upon a time", "Lily and Tom went to the park.", "The little dog was sad because",
           "One day, a boy named Max found a big red ball.", "Mom said, \"Do not touch the",
           "There was a bird who could not fly.\n\nEvery day,", "Été 猫 42!"]
STARTS = ["", "Once upon a time, there was a little", "Tom and Mia were playing in the garden.",
          "One day, a small bear found a", "Sara was afraid of the dark."]


def open_model(path):
    """The model of a GGUF file in float32, and the reader."""
    r = gguf.GGUFReader(path)
    get = lambda k: r.fields[k].contents()
    D, L, H = get("llama.embedding_length"), get("llama.block_count"), get("llama.attention.head_count")
    KV, FF, V = get("llama.attention.head_count_kv"), get("llama.feed_forward_length"), get("llama.vocab_size")
    t = {x.name: torch.from_numpy(gguf.quants.dequantize(x.data, x.tensor_type).astype(np.float32).copy()) for x in r.tensors}
    halves = lambda w, n: w.reshape(n, w.shape[0] // n // 2, 2, -1).swapaxes(1, 2).reshape(w.shape)
    s = {"e": t["token_embd.weight"], "n": t["output_norm.weight"]}
    for i in range(L):
        g = lambda n: t[f"blk.{i}.{n}.weight"]
        s |= {f"b.{i}.qkv": torch.cat([halves(g("attn_q"), H), halves(g("attn_k"), KV), g("attn_v")]),
              f"b.{i}.o": g("attn_output"), f"b.{i}.gu": torch.cat([g("ffn_gate"), g("ffn_up")]), f"b.{i}.d": g("ffn_down"),
              f"b.{i}.n1": g("attn_norm"), f"b.{i}.n2": g("ffn_norm")}
    m = Model(D, L, H, KV, FF, V, get("llama.context_length")).eval()
    m.load_state_dict(s)
    return m, r


class FromFile:
    """Tokenises with nothing but the fields of the file: greedy merging of the best-scored pair, bytes where no piece fits."""

    def __init__(self, r):
        get = lambda k: r.fields[k].contents()
        self.tokens, self.scores = get("tokenizer.ggml.tokens"), get("tokenizer.ggml.scores")
        self.id = {t: i for i, (t, k) in enumerate(zip(self.tokens, get("tokenizer.ggml.token_type"))) if k in (1, 4)}
        self.prefix = get("tokenizer.ggml.add_space_prefix")

    def encode(self, text):
        if not text:
            return []
        parts = list(("▁" if self.prefix else "") + text.replace(" ", "▁"))
        while True:
            best, at = None, -1
            for i in range(len(parts) - 1):
                t = self.id.get(parts[i] + parts[i + 1])
                if t is not None and (best is None or self.scores[t] > best):
                    best, at = self.scores[t], i
            if at < 0:
                break
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        out = []
        for p in parts:
            if p in self.id:
                out.append(self.id[p])
            else:
                out += [self.tokens.index(f"<0x{b:02X}>") for b in p.encode()]
        return out


@torch.no_grad()
def greedy(m, ids, n=48):
    """Up to n greedy tokens (EOS included, then stop), their log probabilities and the smallest distance of the best logit to the second."""
    out, logprobs, margins = [], [], []
    for _ in range(n):
        lg = m(torch.tensor([ids + out]))[0, -1]
        top = lg.topk(2)
        out.append(top.indices[0].item())
        logprobs.append(lg.double().log_softmax(-1)[out[-1]].item())
        margins.append((top.values[0] - top.values[1]).item())
        if out[-1] == EOS:
            break
    return out, logprobs, min(margins)


@torch.no_grad()
def sample(m, ids, n, temperature, generator):
    out = []
    for _ in range(n):
        p = (m(torch.tensor([ids + out]))[0, -1] / temperature).softmax(-1)
        t = torch.multinomial(p, 1, generator=generator).item()
        if t == EOS:
            return out, True
        out.append(t)
    return out, False


@torch.no_grad()
def agreement(m, other, items):
    """Over the positions of real stories: mean of sum(min(p, q)), the share of drafted tokens that speculative sampling
    accepts at temperature 1, and the share of positions with the same best token."""
    overlap = same = n = 0
    for t in items:
        x = torch.from_numpy(t[:512])[None]
        p, q = m(x)[0].softmax(-1), other(x)[0].softmax(-1)
        overlap += torch.minimum(p, q).sum().item()
        same += (p.argmax(-1) == q.argmax(-1)).sum().item()
        n += x.shape[1]
    return overlap / n, same / n


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--gguf", default="Sources/StoryModel/story.gguf")
    a.add_argument("--checkpoint", help="also measure the float32 weights of this checkpoint")
    a.add_argument("--weights", choices=["model", "average"], default="average")
    a.add_argument("--tokenizer", default="Sources/StoryModel/training/tokenizer.model")
    a.add_argument("--corpus", default="../shared/data/corpus/tinystories-subset.txt")
    a.add_argument("--against", help="another GGUF file with the same tokeniser: how often do the two agree on 50 held-out stories")
    a.add_argument("--samples", help="Markdown file with five samples")
    a.add_argument("--reference", help="JSON file with greedy continuations")
    a.add_argument("--temperature", type=float, default=0.8)
    a.add_argument("--seed", type=int, default=7)
    a = a.parse_args()
    torch.set_num_threads(1)
    m, r = open_model(a.gguf)
    sp = sentencepiece.SentencePieceProcessor(a.tokenizer)
    held = stories(a.corpus)[-HELD_OUT:]
    size, ids = sum(len(s.encode()) for s in held), encode(sp, held)
    n = sum(len(t) for t in ids)
    print("parameters", sum(x.n_elements for x in r.tensors), "types", sorted({x.tensor_type.name for x in r.tensors}))
    print(f"Q8_0 bits per byte {bits_per_byte(m, ids, size):.4f} ({size} bytes, {n} tokens with BOS and EOS)")
    if a.checkpoint:
        c = torch.load(a.checkpoint)[a.weights]
        f = Model(*m.shape, V=m.e.shape[0]).eval()
        f.load_state_dict(c)
        print(f"F32 bits per byte {bits_per_byte(f, ids, size):.4f}")
    t = FromFile(r)
    texts = held[:20] + PROMPTS + ["  two  spaces", " lead", "tab\tand\r\nline", "a", "naïve café 日本 😀", "x" * 40]
    assert all(t.encode(s) == sp.encode(s) for s in texts), "tokeniser of the file differs"
    print("tokeniser fields agree with SentencePiece on", len(texts), "texts")
    if a.against:
        overlap, same = agreement(m, open_model(a.against)[0], ids[:50])
        print(f"accepted at temperature 1: {overlap:.3f}; same best token: {same:.3f}")
    if a.samples:
        g = torch.Generator().manual_seed(a.seed)
        with open(a.samples, "w") as f:
            f.write(f"# Five samples\n\nTemperature {a.temperature}, no top-k or top-p, at most 150 tokens, seed {a.seed}, from the Q8_0 file, unedited, "
                    "in the order drawn. The given start is in bold.\n")
            for s in STARTS:
                out, ended = sample(m, [BOS] + sp.encode(s), 150, a.temperature, g)
                text = sp.decode(sp.encode(s) + out)
                body = f"**{s}**{text[len(s):]}" if s else text
                f.write(f"\n## {s or 'No start'}\n\n{body.replace(chr(10), '  ' + chr(10))}\n\n"
                        f"({len(out)} tokens, {'ended by itself' if ended else 'cut at 150'})\n")
    if a.reference:
        rows = []
        for s in PROMPTS:
            p = [BOS] + sp.encode(s)
            out, lp, margin = greedy(m, p)
            rows.append({"prompt": s, "prompt_ids": p, "ids": out, "logprobs": [round(x, 6) for x in lp], "smallest_margin": round(margin, 6),
                         "text": sp.decode(out)})
        note = ("Greedy continuation, 48 tokens or up to and with EOS, torch float32 on the dequantised Q8_0 weights, no cache. "
                "smallest_margin: least distance in logits between the best and the second token over the steps.")
        json.dump({"note": note, "prompts": rows}, open(a.reference, "w"), indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
