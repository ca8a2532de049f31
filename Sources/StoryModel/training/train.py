#!/usr/bin/env python3
"""Trains a small Llama on stories: Muon for the matrices, AdamW for the rest.

The schedule is warm-up, constant, then (runs that resume) linear decay to zero.
It is measured in seconds, since the machine was shared: the number of steps that
fitted is in the log. Data order, initial weights and packing come from --seed.
Rows hold whole stories where possible and attention does not cross from one story
to the next. With --helper a second process at lower priority computes gradients
of further rows from the weights of a step or so ago; when one is ready, the step
takes the mean of both.

    python3 train.py --seconds 1200 --out main                              # constant
    python3 train.py --resume main.pt --from 1 --to 0 --seconds 2400 \
        --context 512 --rows 8 --out main                                   # decay
"""
import argparse, csv, math, os, re, time
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F
from tokenizer import stories, HELD_OUT

BOS, EOS, EPS, THETA = 1, 2, 1e-5, 10000.0
SHAPES = {  # hidden, layers, heads, key/value heads, feed-forward
    "main": (256, 4, 4, 2, 576),
    "draft": (128, 3, 4, 2, 320),
}


class Block(nn.Module):
    def __init__(self, D, H, KV, FF):
        super().__init__()
        self.H, self.KV, self.hd = H, KV, D // H
        std = 1 / math.sqrt(D)
        init = lambda o, i: nn.Parameter(torch.randn(o, i) * std)
        self.qkv, self.gu = init(D + 2 * KV * self.hd, D), init(2 * FF, D)
        self.o, self.d = nn.Parameter(torch.zeros(D, D)), nn.Parameter(torch.zeros(D, FF))
        self.n1, self.n2 = nn.Parameter(torch.ones(D)), nn.Parameter(torch.ones(D))

    def forward(self, x, cos, sin, bias, dt):
        B, T, D = x.shape
        H, KV, hd = self.H, self.KV, self.hd
        h = F.rms_norm(x, (D,), self.n1, EPS).to(dt)
        z = F.linear(h, self.qkv.to(dt)).view(B, T, H + 2 * KV, hd)
        a, b = z[:, :, :H + KV].float().chunk(2, -1)
        qk = torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(dt)
        q = qk[:, :, :H].transpose(1, 2)
        k = qk[:, :, H:].repeat_interleave(H // KV, 2).transpose(1, 2)
        v = z[:, :, H + KV:].repeat_interleave(H // KV, 2).transpose(1, 2)
        # Written out: at these lengths faster on the CPU than the fused kernel, and the story mask is free.
        s = ((q @ k.transpose(-1, -2)).float() * hd ** -0.5 + bias).softmax(-1).to(dt)
        x = x + F.linear((s @ v).transpose(1, 2).reshape(B, T, D), self.o.to(dt))
        h = F.rms_norm(x, (D,), self.n2, EPS).to(dt)
        g, u = F.linear(h, self.gu.to(dt)).chunk(2, -1)
        return x + F.linear(F.silu(g) * u, self.d.to(dt))


class Model(nn.Module):
    def __init__(self, D, L, H, KV, FF, V=2048, context=512):
        super().__init__()
        self.shape = (D, L, H, KV, FF)
        self.e = nn.Parameter(torch.randn(V, D) * 0.02)
        self.n = nn.Parameter(torch.ones(D))
        self.b = nn.ModuleList(Block(D, H, KV, FF) for _ in range(L))
        hd = D // H
        inv = 1 / (THETA ** (torch.arange(0, hd, 2).float() / hd))
        a = torch.outer(torch.arange(context).float(), inv)[None, :, None]
        self.register_buffer("cos", a.cos(), persistent=False)
        self.register_buffer("sin", a.sin(), persistent=False)

    def forward(self, ids, targets=None, dt=torch.float32, soft=None):
        """Logits, or with targets (-100: ignored) the mean loss; soft: logits of a teacher to match in place of the targets.

        A BOS starts a new story for attention.
        """
        T = ids.shape[1]
        doc = (ids == BOS).cumsum(1)
        ok = (doc[:, :, None] == doc[:, None, :]).tril()
        bias = torch.zeros(1).masked_fill(~ok, float("-inf"))[:, None]
        x = F.embedding(ids, self.e)
        for b in self.b:
            x = b(x, self.cos[:, :T], self.sin[:, :T], bias, dt)
        lg = F.linear(F.rms_norm(x, (x.shape[-1],), self.n, EPS).to(dt), self.e.to(dt)).float()
        if targets is None:
            return lg
        if soft is not None:
            loss = F.cross_entropy(lg.view(-1, lg.shape[-1]), soft.float().softmax(-1).view(-1, lg.shape[-1]), reduction="none")
            kept = (targets.reshape(-1) != -100).float()
            return (loss * kept).sum() / kept.sum()
        return F.cross_entropy(lg.view(-1, lg.shape[-1]), targets.reshape(-1), ignore_index=-100)


def orthogonalise(g, steps=5):
    """Newton-Schulz iteration in bf16 on a batch (n, rows, columns) of matrices."""
    tall = g.shape[1] > g.shape[2]
    x = g.transpose(1, 2) if tall else g
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(steps):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x.transpose(1, 2) if tall else x).float()


class Muon:
    """Momentum, then the nearest orthogonal matrix as the step. Fused matrices are split into their parts first."""

    def __init__(self, model, momentum=0.95, decay=0.02):
        D, L, H, KV, FF = model.shape
        kv = KV * (D // H)
        self.momentum, self.decay, self.groups = momentum, decay, {}
        for b in model.b:
            for p, parts in ((b.qkv, (D, kv, kv)), (b.o, (D,)), (b.gu, (FF, FF)), (b.d, (D,))):
                at = 0
                for r in parts:
                    self.groups.setdefault((r, p.shape[1]), []).append((p, at, at + r))
                    at += r
        self.m = {k: torch.zeros(len(v), *k) for k, v in self.groups.items()}

    @torch.no_grad()
    def step(self, lr):
        for k, items in self.groups.items():
            g = torch.stack([p.grad[a:b] for p, a, b in items])
            m = self.m[k].lerp_(g, 1 - self.momentum)
            u = orthogonalise(g.lerp(m, self.momentum))
            scale = lr * max(1.0, k[0] / k[1]) ** 0.5
            for (p, a, b), d in zip(items, u):
                p[a:b].mul_(1 - lr * self.decay).add_(d, alpha=-scale)


class Rows:
    """Endless full rows of T + 1 tokens from a list of encoded stories.

    A row starts with the next story (or the rest of a long one); then the
    longest story of the pool that fits is taken, again and again; a last gap
    is filled with the beginning of a story, whose rest goes back to the pool.
    """

    def __init__(self, items, T, rng, pool=1024, overlap=1):
        self.items, self.n, self.rng, self.pool_size = items, T + 1, rng, pool
        self.buckets, self.count, self.order, self.tokens = {}, 0, iter(()), 0

    def put(self, t):
        self.buckets.setdefault(len(t), []).append(t)
        self.count += 1

    def take(self, length):
        b = self.buckets[length]
        t = b.pop(self.rng.integers(len(b)))
        if not b:
            del self.buckets[length]
        self.count -= 1
        return t

    def fill(self):
        while self.count < self.pool_size:
            i = next(self.order, None)
            if i is None:
                self.order = iter(self.rng.permutation(len(self.items)))
                continue
            self.put(self.items[i])

    def random(self):
        lengths = list(self.buckets)
        weights = np.array([len(self.buckets[l]) for l in lengths], dtype=float)
        return self.take(lengths[self.rng.choice(len(lengths), p=weights / weights.sum())])

    def row(self):
        self.fill()
        out, space = [], self.n
        while space > 0:
            fits = [l for l in self.buckets if l <= space] if out else []
            t = self.take(max(fits)) if fits and (max(fits) > 0.6 * space or space > 96) else self.random()
            if len(t) > space:
                rest = t[space - 1:]  # one token again, so that every target occurs once
                if len(rest) >= 32:
                    self.put(rest)
                t = t[:space]
            out.append(t)
            space -= len(t)
        self.tokens += self.n
        return np.concatenate(out)


def encode(processor, texts):
    return [np.array([BOS] + t + [EOS], dtype=np.int64) for t in processor.encode(texts)]


def paragraphs(texts, blank_lines):
    """Half of the corpus separates paragraphs by a blank line; the teachers never do."""
    if not blank_lines:
        return texts
    return [re.sub(r" *\n+ *", "\n\n" if i % 2 else "\n", s) for i, s in enumerate(texts)]


@torch.no_grad()
def bits_per_byte(model, items, size, context=512, stride=256):
    """Bits of all tokens after BOS, EOS included, over the UTF-8 bytes of the stories.

    A story longer than the context goes through in windows of `context` that
    advance by `stride`; every token is counted once, with at least stride tokens before it.
    """
    nats, windows = 0.0, []
    for t in items:
        start = 0
        while True:
            w = t[start:start + context + 1]
            windows.append((w, 0 if start == 0 else context - stride))
            if start + context + 1 >= len(t):
                break
            start += stride
    windows.sort(key=lambda w: len(w[0]))
    for i in range(0, len(windows), 8):
        part = windows[i:i + 8]
        n = max(len(w) for w, _ in part)
        x, y = torch.full((len(part), n - 1), EOS), torch.full((len(part), n - 1), -100)
        for r, (w, skip) in enumerate(part):
            x[r, :len(w) - 1] = torch.from_numpy(w[:-1])
            y[r, skip:len(w) - 1] = torch.from_numpy(w[1 + skip:])
        lg = model(x)
        nats += F.cross_entropy(lg.view(-1, lg.shape[-1]), y.view(-1), ignore_index=-100, reduction="sum").item()
    return nats / math.log(2) / size


def batch(sources, mix, rows, rng):
    """Inputs and targets; the BOS of the next story is no target."""
    which = rng.choice(len(sources), size=rows, p=np.array(mix) / sum(mix))
    r = torch.from_numpy(np.stack([sources[i].row() for i in which]))
    x, y = r[:, :-1], r[:, 1:].clone()
    y[y == BOS] = -100
    return x, y


def teacher(path):
    """Function from ids to the logits of a checkpoint, or to None without one."""
    if not path:
        return lambda x: None
    c = torch.load(path)
    m = Model(*SHAPES[c["shape"]])
    m.load_state_dict(c["average"])
    run = torch.compile(m, dynamic=False)

    def logits(x):
        with torch.no_grad():
            return run(x, None, torch.bfloat16).bfloat16()
    return logits


class Helper:
    """A second process that keeps one gradient ready in shared memory."""

    def __init__(self, model, a, step, encoded):
        mp = torch.multiprocessing.get_context("spawn")
        n = sum(p.numel() for p in model.parameters())
        self.weights, self.gradient = torch.empty(n).share_memory_(), torch.empty(n).share_memory_()
        self.flag, self.lock = mp.Value("i", 0), mp.Lock()
        self.publish(model)
        self.process = mp.Process(target=help_out, daemon=True, args=(
            self.weights, self.gradient, self.flag, self.lock, a.shape, a.mix, a.rows, a.context, a.seed + step + 1000003, encoded, a.distil))
        self.process.start()

    @torch.no_grad()
    def publish(self, model):
        with self.lock:
            torch.cat([p.reshape(-1) for p in model.parameters()], out=self.weights)


def help_out(weights, gradient, flag, lock, shape, mix, rows, context, seed, encoded, distil):
    os.nice(10)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    sources = [Rows(e, context, rng) for e in encoded]
    model = Model(*SHAPES[shape])
    run, soft = torch.compile(model, dynamic=False), teacher(distil)
    while True:
        with torch.no_grad(), lock:
            at = 0
            for p in model.parameters():
                p.copy_(weights[at:at + p.numel()].view_as(p))
                at += p.numel()
        x, y = batch(sources, mix, rows, rng)
        run(x, y, torch.bfloat16, soft(x)).backward()
        while flag.value:
            time.sleep(0.005)
        torch.cat([p.grad.reshape(-1) for p in model.parameters()], out=gradient)
        flag.value = 1
        for p in model.parameters():
            p.grad = None


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--shape", choices=SHAPES, default="main")
    a.add_argument("--tokenizer", default="Sources/StoryModel/training/tokenizer.model")
    a.add_argument("--corpus", default="../shared/data/corpus/tinystories-subset.txt")
    a.add_argument("--sampled", nargs="*", default=["teacher-656k.txt", "teacher-260k.txt"])
    a.add_argument("--mix", type=float, nargs="*", default=[0.4, 0.35, 0.25], help="share of rows: corpus, then each sampled file")
    a.add_argument("--blank-lines", action="store_true", help="every second sampled story gets blank lines between paragraphs")
    a.add_argument("--context", type=int, default=256)
    a.add_argument("--rows", type=int, default=16)
    a.add_argument("--seconds", type=float, default=3600)
    a.add_argument("--muon", type=float, default=0.02, help="learning rate of the matrices")
    a.add_argument("--adam", type=float, default=0.004, help="learning rate of embedding and norms")
    a.add_argument("--warmup", type=int, default=100)
    a.add_argument("--from", dest="first", type=float, default=1.0, help="factor of both learning rates at the start")
    a.add_argument("--to", dest="last", type=float, default=1.0, help="the same at the end of --seconds, linear between")
    a.add_argument("--helper", action="store_true", help="a second process, see above")
    a.add_argument("--distil", help="checkpoint whose probabilities are the targets (its mean weights)")
    a.add_argument("--resume")
    a.add_argument("--seed", type=int, default=1234)
    a.add_argument("--evaluate-every", type=float, default=120, help="seconds")
    a.add_argument("--average", type=float, default=0.995, help="decay of the running mean of the weights")
    a.add_argument("--out", default="main", help="writes OUT.pt and OUT.csv")
    a.add_argument("--stop-file", default="", help="finish when this file appears")
    a = a.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    rng = np.random.default_rng(a.seed)
    import sentencepiece
    sp = sentencepiece.SentencePieceProcessor(a.tokenizer)
    real = stories(a.corpus)
    held = real[-HELD_OUT:]
    size, held_ids = sum(len(s.encode()) for s in held), encode(sp, held)
    seen_text = real[:HELD_OUT]  # as many stories that are trained on: the distance to these shows over-fitting
    seen_size, seen_ids = sum(len(s.encode()) for s in seen_text), encode(sp, seen_text)
    encoded = [encode(sp, real[:-HELD_OUT])] + [encode(sp, paragraphs(stories(p), a.blank_lines)) for p in a.sampled]
    sources = [Rows(e, a.context, rng) for e in encoded]
    print([(len(s.items), sum(map(len, s.items))) for s in sources], "stories, tokens", flush=True)

    model = Model(*SHAPES[a.shape])
    muon = Muon(model)
    rest = [model.e, model.n] + [p for b in model.b for p in (b.n1, b.n2)]
    adam = torch.optim.AdamW(rest, lr=a.adam, betas=(0.9, 0.97), eps=1e-10, weight_decay=0.0, fused=False)
    step, tokens, spent = 0, 0, 0.0
    if a.resume:
        c = torch.load(a.resume)
        model.load_state_dict(c["model"]); adam.load_state_dict(c["adam"]); muon.m = c["muon"]
        step, tokens, spent = c["step"], c["tokens"], c["seconds"]
        rng = np.random.default_rng(a.seed + step)
        for s in sources:
            s.rng = rng
    average = {k: v.clone() for k, v in model.state_dict().items()}
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    run, soft = torch.compile(model, dynamic=False), teacher(a.distil)
    log = open(a.out + ".csv", "a", newline="")
    w = csv.writer(log)
    first, recent, helped = step, [], 0
    helper = Helper(model, a, step, encoded) if a.helper else None

    def save():
        torch.save(dict(model=model.state_dict(), average=average, adam=adam.state_dict(), muon=muon.m, shape=a.shape,
                        step=step, tokens=tokens, seconds=spent + time.time() - t0), a.out + ".new")
        os.replace(a.out + ".new", a.out + ".pt")

    t0 = last = time.time()
    while True:
        f = (time.time() - t0) / a.seconds
        if f >= 1 or (a.stop_file and os.path.exists(a.stop_file)):
            break
        lr = min(a.first + (a.last - a.first) * f, (step + 1) / a.warmup)
        x, y = batch(sources, a.mix, a.rows, rng)
        loss = run(x, y, torch.bfloat16, soft(x))
        loss.backward()
        if helper and helper.flag.value:
            at = 0
            for p in model.parameters():
                p.grad.add_(helper.gradient[at:at + p.numel()].view_as(p)).mul_(0.5)
                at += p.numel()
            helper.flag.value = 0
            tokens += x.numel()
            helped += 1
        muon.step(a.muon * lr)
        for g in adam.param_groups:
            g["lr"] = a.adam * lr
        adam.step()
        for p in model.parameters():
            p.grad = None
        if helper:
            helper.publish(model)
        step += 1
        tokens += x.numel()
        recent.append(loss.item())
        if step == first + 1:
            t0 = last = time.time()  # compilation does not count
        if step % 5 == 0:
            with torch.no_grad():
                k = min(a.average, (step - first) / (step - first + 50))
                for n, v in model.state_dict().items():
                    average[n].lerp_(v, 1 - k)
        if time.time() - last > a.evaluate_every:
            last = time.time()
            report(model, average, held_ids, size, seen_ids, seen_size, w, log, step, tokens, spent + last - t0, recent, a.context)
            recent = []
            save()
    report(model, average, held_ids, size, seen_ids, seen_size, w, log, step, tokens, spent + time.time() - t0, recent, a.context)
    save()
    if helper:
        helper.process.terminate()
    print({"helper gradients": helped, "corpus epochs": round(sources[0].tokens / sum(map(len, sources[0].items)), 2)}, flush=True)


def report(model, average, held, size, seen, seen_size, w, log, step, tokens, seconds, recent, context):
    b = bits_per_byte(model, held, size)
    now = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(average)
    ba, bs = bits_per_byte(model, held, size), bits_per_byte(model, seen, seen_size)
    model.load_state_dict(now)
    row = [step, tokens, round(seconds), context, f"{np.mean(recent):.4f}" if recent else "", f"{b:.4f}", f"{ba:.4f}", f"{bs:.4f}"]
    if log.tell() == 0:
        w.writerow(["step", "tokens", "seconds", "context", "loss", "held_out_bpb", "held_out_bpb_mean_weights", "trained_stories_bpb_mean_weights"])
    w.writerow(row)
    log.flush()
    print(*row, flush=True)


if __name__ == "__main__":
    main()
