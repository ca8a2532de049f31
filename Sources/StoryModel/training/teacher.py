#!/usr/bin/env python3
"""Samples stories from a small Llama checkpoint: the distillation text.

Used with two published teachers (tinystories-656k, stories260K) for the main
model and with the main model itself for the draft model. Sampling is plain
ancestral sampling at one temperature, no top-k and no top-p, in float32, in
batches of 512 rows that start from BOS. Only stories that end by themselves
inside the context are kept; the end marker is removed, the rest is unedited.

    python3 teacher.py --model ../shared/data/tinystories-656k/hf --temperature 0.9 \
        --megabytes 24 --seed 1 --out teacher-656k.txt
"""
import argparse, json, os, time
import torch, torch.nn.functional as F
from safetensors.torch import load_file

SEPARATOR = "<|endoftext|>"


class Llama:
    """A Llama forward pass, one position at a time, over a cache of keys and values."""

    def __init__(self, folder, dtype=torch.float32):
        c = json.load(open(os.path.join(folder, "config.json")))
        w = load_file(os.path.join(folder, "model.safetensors"))
        w = {k.removeprefix("model."): v.to(dtype) for k, v in w.items()}
        self.D, self.L = c["hidden_size"], c["num_hidden_layers"]
        self.H, self.KV = c["num_attention_heads"], c["num_key_value_heads"]
        self.V, self.eps, self.ctx = c["vocab_size"], c["rms_norm_eps"], c["max_position_embeddings"]
        self.hd, self.dtype = self.D // self.H, dtype
        # Tied embeddings: a checkpoint may hold either of the two names.
        self.emb = w.get("embed_tokens.weight", w.get("lm_head.weight"))
        self.head = w.get("lm_head.weight", self.emb).t().contiguous()
        self.norm, self.layers = w["norm.weight"], []
        for i in range(self.L):
            g = lambda n: w[f"layers.{i}.{n}.weight"]
            self.layers.append(dict(
                n1=g("input_layernorm"), n2=g("post_attention_layernorm"),
                qkv=torch.cat([g("self_attn.q_proj"), g("self_attn.k_proj"), g("self_attn.v_proj")]).t().contiguous(),
                o=g("self_attn.o_proj").t().contiguous(),
                gu=torch.cat([g("mlp.gate_proj"), g("mlp.up_proj")]).t().contiguous(),
                d=g("mlp.down_proj").t().contiguous()))
        inv = 1 / (c["rope_theta"] ** (torch.arange(0, self.hd, 2).float() / self.hd))
        a = torch.outer(torch.arange(self.ctx).float(), inv)
        self.cos, self.sin = a.cos().to(dtype), a.sin().to(dtype)

    def rope(self, x, p):
        h = self.hd // 2
        a, b, c, s = x[..., :h], x[..., h:], self.cos[p], self.sin[p]
        return torch.cat([a * c - b * s, a * s + b * c], -1)

    def step(self, ids, p, kc, vc):
        """Logits after position p; kc holds (rows, KV, hd, capacity), vc (rows, KV, capacity, hd)."""
        B, D, H, KV, hd = len(ids), self.D, self.H, self.KV, self.hd
        x = self.emb[ids]
        for l, k, v in zip(self.layers, kc, vc):
            q, kk, vv = (F.rms_norm(x, (D,), l["n1"], self.eps) @ l["qkv"]).split([H * hd, KV * hd, KV * hd], -1)
            q = self.rope(q.view(B, KV, H // KV, hd), p)
            k[:, :, :, p] = self.rope(kk.view(B, KV, hd), p)
            v[:, :, p] = vv.view(B, KV, hd)
            s = torch.matmul(q, k[:, :, :, :p + 1]) * hd ** -0.5
            x = x + torch.matmul(s.softmax(-1), v[:, :, :p + 1]).reshape(B, H * hd) @ l["o"]
            g, u = (F.rms_norm(x, (D,), l["n2"], self.eps) @ l["gu"]).chunk(2, -1)
            x = x + (F.silu(g) * u) @ l["d"]
        return F.rms_norm(x, (D,), self.norm, self.eps) @ self.head


def sample(m, rows, bos, stops, temperature, generator, block=16):
    """Token ids of the rows that ended by a stop id, without BOS and stop.

    Every `block` positions the finished rows leave the batch; when fewer than
    a tenth of the rows are left, those are dropped.
    """
    kc = [torch.empty(rows, m.KV, m.hd, 32, dtype=m.dtype) for _ in range(m.L)]
    vc = [torch.empty(rows, m.KV, 32, m.hd, dtype=m.dtype) for _ in range(m.L)]
    T = m.ctx - 1
    out = torch.zeros(rows, T + 1, dtype=torch.long)
    out[:, 0] = bos
    ids, done, finished = out[:, 0].clone(), torch.zeros(rows, dtype=torch.bool), []
    for p in range(T):
        if p >= kc[0].shape[3]:
            kc = [torch.cat([k, torch.empty(*k.shape[:3], 32, dtype=m.dtype)], 3) for k in kc]
            vc = [torch.cat([v, torch.empty(v.shape[0], m.KV, 32, m.hd, dtype=m.dtype)], 2) for v in vc]
        c = (m.step(ids, p, kc, vc).float() / temperature).softmax(-1).cumsum(-1)
        u = torch.rand(len(ids), 1, generator=generator) * c[:, -1:]
        ids = torch.searchsorted(c, u).squeeze(1).clamp_max_(m.V - 1)
        out[:, p + 1] = ids
        for s in stops:
            done |= ids == s
        if p % block == block - 1 and done.any():
            for r in out[done, 1:p + 2].tolist():
                finished.append(r[:min(r.index(s) for s in stops if s in r)])
            keep = (~done).nonzero().squeeze(1)
            if len(keep) < rows // 10:
                break
            kc, vc = [k[keep] for k in kc], [v[keep] for v in vc]
            out, ids, done = out[keep], ids[keep], done[keep]
    return finished


def decoder(folder):
    """Ids to text, from tokenizer.model (SentencePiece) if there is one, else tokenizer.json."""
    path = os.path.join(folder, "tokenizer.model")
    if os.path.exists(path):
        import sentencepiece
        p = sentencepiece.SentencePieceProcessor(path)
        return p.decode
    from tokenizers import Tokenizer
    t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    return lambda ids: t.decode(ids)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--model", default="../shared/data/tinystories-656k/hf")
    a.add_argument("--temperature", type=float, default=0.9)
    a.add_argument("--megabytes", type=float, default=26)
    a.add_argument("--rows", type=int, default=512)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--out", default="teacher.txt")
    a = a.parse_args()
    torch.set_num_threads(1)
    m, decode, g = Llama(a.model), decoder(a.model), torch.Generator().manual_seed(a.seed)
    size, stories, dropped, t0, last = 0, 0, 0, time.time(), 0
    with open(a.out, "w") as f, torch.no_grad():
        while size < a.megabytes * 1e6:
            # Both ids end a story: stories260K starts the next one (BOS 1) where the other emits EOS 2.
            for ids in sample(m, a.rows, 1, (1, 2), a.temperature, g):
                s = decode(ids).replace("<|end_story|>", "").strip()
                if len(s) < 150 or not s.isascii() or "<|" in s:
                    dropped += 1
                    continue
                f.write(s + "\n" + SEPARATOR + "\n")
                size += len(s)
                stories += 1
            f.flush()
            if time.time() - last > 30:
                last = time.time()
                print(f"{last - t0:.0f} s  {size / 1e6:.2f} MB  {stories} stories  {dropped} dropped", flush=True)
    print(f"{time.time() - t0:.0f} s  {size / 1e6:.2f} MB  {stories} stories  {dropped} dropped")


if __name__ == "__main__":
    main()
