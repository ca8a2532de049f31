"""What transformers' warpers keep of random logits, and what its processors make of random rows: sampling.json."""
import json
import math
from pathlib import Path

import torch
from transformers import (
    EpsilonLogitsWarper, EtaLogitsWarper, ExponentialDecayLengthPenalty, MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper, NoBadWordsLogitsProcessor, NoRepeatNGramLogitsProcessor, PrefixConstrainedLogitsProcessor,
    RepetitionPenaltyLogitsProcessor, SequenceBiasLogitsProcessor, SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper, TopHLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, TypicalLogitsWarper)

WARPER_CASES, PROCESSOR_CASES = 440, 240
# In the order in which transformers runs them.
CHOICES = {
    "temperature": [0.1, 0.5, 0.7, 1.3, 2.0], "top_h": [0.1, 0.4, 0.7, 0.95], "top_k": [1, 2, 5, 40, 1000],
    "top_p": [0.05, 0.3, 0.5, 0.9, 0.99], "min_p": [0.01, 0.05, 0.2, 0.7, 1.0],
    "typical_p": [0.1, 0.3, 0.6, 0.9, 0.98], "epsilon_cutoff": [1e-4, 3e-3, 0.02, 0.2, 0.6],
    "eta_cutoff": [1e-4, 3e-3, 0.02, 0.2, 0.6]}
NAMES = tuple(CHOICES)
COMBINATIONS = [()] + [(name,) for name in NAMES] + [(a, b) for i, a in enumerate(NAMES) for b in NAMES[i + 1:]] + [
    tuple(n for n in NAMES if n != "top_h"), ("temperature", "top_k", "top_p", "min_p"), NAMES]
SHAPES = ["plain", "ties", "peaked", "flat", "masked"]
CLASSES = {"temperature": TemperatureLogitsWarper, "top_h": TopHLogitsWarper, "top_k": TopKLogitsWarper,
           "top_p": TopPLogitsWarper, "min_p": MinPLogitsWarper, "typical_p": TypicalLogitsWarper,
           "epsilon_cutoff": EpsilonLogitsWarper, "eta_cutoff": EtaLogitsWarper}
MASKED = None  # JSON has no infinity.


def integer(low, high):
    return int(torch.randint(low, high, (), generator=generator))


def choose(values):
    return values[integer(0, len(values))]


def some(values, most):
    return [values[i] for i in torch.randperm(len(values), generator=generator)[:integer(1, most + 1)].tolist()]


def random_logits(shape, sizes=(5, 8, 17, 32, 48, 64, 100, 151, 200)):
    size = choose(sizes)
    logits = torch.randn(size, generator=generator) * {"peaked": 3.0, "flat": 0.05}.get(shape, 2.0)
    if shape == "peaked":
        logits[integer(0, size)] += 25
    if shape == "masked":
        logits[torch.rand(size, generator=generator) < 0.4] = -math.inf
        logits[integer(0, size)] = 1.0
    return [x if x == -math.inf else round(x, 0 if shape == "ties" else 3) + 0.0 for x in logits.tolist()]


def encoded(scores):
    return [MASKED if x == -math.inf else float(f"{x:.9g}") for x in scores]


def apart(values, limit, distance):
    return bool(((values - limit).abs() > distance).all())


def is_clear(name, value, scores, after, keep):
    """Whether rounding or the order of equals decides nothing: another sum than float32's gives the same answer."""
    finite = scores[scores.isfinite()].double()
    kept = after.isfinite()
    probs, logprobs = finite.softmax(0), finite.log_softmax(0)
    entropy = -(probs * logprobs).sum()
    equal = torch.isin(scores[kept], scores[scores.isfinite() & ~kept]).any()
    if name in ("top_p", "min_p") and (equal or keep > kept.sum() and keep < len(finite)):
        return False
    if name == "top_p":
        return apart(probs.sort().values.cumsum(0), 1 - value, 1e-5)
    if name == "min_p":
        if keep > 1 and scores.softmax(0).topk(min(keep, len(scores))).values[-1] == 0:
            return False  # transformers ranks probabilities here, of which many may be 0.
        return value == 1 or apart(probs, value * probs.max(), 1e-6 * value * probs.max())
    if name == "typical_p":
        keys = (-logprobs - entropy).abs()
        order = keys.argsort(stable=True)
        ranked = keys[order]
        near = ((ranked[1:] - ranked[:-1]) < 1e-5) & (finite[order][1:] != finite[order][:-1])
        last = int((probs[order].cumsum(0) < value).sum())
        return apart(probs[order].cumsum(0), value, 1e-5) and not near[max(last - 2, 0):last + 2].any() and (
            keep == 1 or not ((ranked[1:] - ranked[:-1]) < 1e-5)[:keep].any())
    if name == "epsilon_cutoff":
        return apart(probs, value, 1e-6 * value)
    if name == "eta_cutoff":
        eta = min(value, math.sqrt(value) * math.exp(-entropy))
        return apart(probs, eta, 1e-5 * eta)
    if name == "top_h":
        best = finite.topk(min(100, len(finite))).values
        probs = best.softmax(0)
        terms = -(probs * probs.log())
        cut = len(best) < len(finite) and (finite == best[-1]).sum() > (best == best[-1]).sum()
        return apart(terms.cumsum(0), terms.sum() * value, 1e-5) and not equal and not cut
    return True


def warp(logits, parameters, keep):
    scores = torch.tensor([logits])
    for name in NAMES:
        if name in parameters:
            more = {} if name in ("temperature", "top_h") else {"min_tokens_to_keep": keep}
            after = CLASSES[name](parameters[name], **more)(None, scores)
            if not is_clear(name, parameters[name], scores[0], after[0], keep):
                return None
            scores = after
    return scores[0]


def warper_cases():
    cases = []
    while len(cases) < WARPER_CASES:
        combination = COMBINATIONS[len(cases) % len(COMBINATIONS)]
        shape = SHAPES[len(cases) // len(COMBINATIONS) % len(SHAPES)]
        keep = choose([1, 1, 1, 2, 3, 5])
        parameters = {name: choose(CHOICES[name]) for name in combination}
        logits = random_logits(shape)
        scores = warp(logits, parameters, keep)
        if scores is None:
            continue
        kept = scores.isfinite().nonzero()[:, 0].tolist()
        probs = [float(f"{p:.9g}") for p in scores.softmax(0)[kept].tolist()]
        cases.append({"shape": shape, **{name: parameters.get(name) for name in NAMES}, "minimum_count": keep,
                      "logits": encoded(logits), "kept": kept, "probs": probs})
    return cases


def openai_penalty(presence, frequency):
    """platform.openai.com: mu[j] - c[j] * alpha_frequency - float(c[j] > 0) * alpha_presence, c over the generated."""
    def apply(ids, scores, prompt_count):
        counts = torch.bincount(ids[0, prompt_count:], minlength=scores.shape[-1]).float()
        return scores - (counts > 0).float() * presence - counts * frequency
    return apply


def processors(size, ends, prompt_count, tokens):
    """Name in the fixture: its value and what applies it, in the order of transformers' _get_logits_processor."""
    ids = list(range(size))
    tail = tokens[-3:]
    bias = {token: choose([-100.0, -3.5, 0.25, 5.0, 100.0]) for token in some(ids, 5)}
    words = [[token] for token in some(ids, 3)] + [[choose(ends)]] + [
        tail[-n:] + [choose(ids)] for n in (1, 2, 3) if n <= len(tail)] + [some(ids, 4) + [choose(ids)]]
    allowed, suppressed = sorted(some(ids, size // 2)) + [0], some(ids, 6)
    penalty, ngram = choose([0.6, 1.2, 1.9]), choose([1, 2, 3, 4])
    minimum, decay = integer(1, 12), (integer(0, 8), choose([0.75, 1.0625, 1.625]))
    presence, frequency = choose([-2.0, -0.5, 0.7, 2.0]), choose([-1.5, 0.3, 2.0])
    eos = torch.tensor(ends)
    return {
        "logit_bias": (list(bias.items()), SequenceBiasLogitsProcessor({(t,): b for t, b in bias.items()})),
        "repetition_penalty": (penalty, RepetitionPenaltyLogitsProcessor(penalty)),
        "no_repeat_ngram_size": (ngram, NoRepeatNGramLogitsProcessor(ngram)),
        "bad_words": (words, NoBadWordsLogitsProcessor(words, eos)),
        "min_tokens": (minimum, MinNewTokensLengthLogitsProcessor(prompt_count, minimum, eos)),
        "allowed_token_ids": (allowed, PrefixConstrainedLogitsProcessor(lambda *_: allowed, 1)),
        "exponential_decay_length_penalty": (decay, ExponentialDecayLengthPenalty(decay, eos, prompt_count)),
        "suppress_tokens": (suppressed, SuppressTokensLogitsProcessor(suppressed)),
        "presence_penalty": (presence, openai_penalty(presence, 0.0)),
        "frequency_penalty": (frequency, openai_penalty(0.0, frequency))}


def processor_case(table, used, tokens, prompt_count, ends, logits, scores):
    values = {name: value if name in used else None for name, (value, _) in table.items()}
    return {**values, "tokens": tokens, "prompt_count": prompt_count, "ends": ends, "logits": encoded(logits),
            "scores": encoded(scores)}


def processor_cases():
    cases = []
    while len(cases) < PROCESSOR_CASES:
        logits = random_logits(choose(SHAPES), sizes=(8, 17, 32, 64, 100))
        size = len(logits)
        # Few different tokens, so that runs of them come again.
        tokens = torch.randint(0, choose([2, 3, min(size, 30)]), (integer(1, 40),), generator=generator).tolist()
        prompt_count, ends = integer(0, len(tokens) + 1), sorted(some(list(range(size)), 3))
        table = processors(size, ends, prompt_count, tokens)
        names = list(table)
        which = len(cases) % (len(names) + 2)
        used = names[which:which + 1] or [n for n in names if which == len(names) or n in some(names, 5)]
        ids, scores = torch.tensor([tokens]), torch.tensor([logits])
        for name in used:
            if name == "allowed_token_ids" and scores[0, table[name][0]].isneginf().all():
                break  # transformers then frees what is allowed; ours says that nothing is left.
            more = (prompt_count,) if name in ("presence_penalty", "frequency_penalty") else ()
            scores = table[name][1](ids, scores, *more)
        else:
            cases.append(processor_case(table, used, tokens, prompt_count, ends, logits, scores[0].tolist()))
    return cases


generator = torch.Generator().manual_seed(7)
fixture = {"warpers": warper_cases(), "processors": processor_cases()}
Path(__file__).with_name("sampling.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
