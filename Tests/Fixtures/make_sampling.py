"""What transformers' temperature, top-k, top-p and min-p (in that order) keep of random logits: sampling.json."""
import json
from pathlib import Path

import torch
from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

CASES = 60
NAMES = ("temperature", "top_k", "top_p", "min_p")
COMBINATIONS = [names for names in (
    (), ("temperature",), ("top_k",), ("top_p",), ("min_p",), ("temperature", "top_k"), ("temperature", "top_p"),
    ("temperature", "min_p"), ("top_k", "top_p"), ("top_p", "min_p"), NAMES[:3], NAMES)]
CHOICES = {"temperature": [0.1, 0.5, 0.7, 1.3, 2.0], "top_k": [1, 2, 5, 40, 1000], "top_p": [0.05, 0.3, 0.5, 0.9, 0.99],
           "min_p": [0.01, 0.05, 0.2, 0.7, 1.0]}
SHAPES = ["plain", "ties", "peaked", "flat"]


def choose(values):
    return values[int(torch.randint(len(values), (), generator=generator))]


def random_logits(shape):
    size = choose([5, 8, 17, 33, 64, 100, 151, 256, 400])
    logits = torch.randn(size, generator=generator) * {"peaked": 3.0, "flat": 0.05}.get(shape, 2.0)
    if shape == "peaked":
        logits[int(torch.randint(size, (), generator=generator))] += 25
    return [round(x, 0 if shape == "ties" else 3) + 0.0 for x in logits.tolist()]


def warp(logits, parameters):
    scores = torch.tensor([logits])
    if "temperature" in parameters:
        scores = TemperatureLogitsWarper(parameters["temperature"])(None, scores)
    if "top_k" in parameters:
        scores = TopKLogitsWarper(parameters["top_k"], min_tokens_to_keep=1)(None, scores)
    clear = True
    if "top_p" in parameters:
        # A sum that meets 1 - top_p within rounding, or equal scores of which some go, decides nothing: leave it out.
        ascending = scores[0].double().softmax(0).sort().values
        clear &= bool(((ascending.cumsum(0) - (1 - parameters["top_p"])).abs() > 1e-5).all())
        before, scores = scores, TopPLogitsWarper(parameters["top_p"], min_tokens_to_keep=1)(None, scores)
        kept = scores[0].isfinite()
        clear &= not torch.isin(before[0][kept], before[0][~kept]).any()
    if "min_p" in parameters:
        probs = scores[0].double().softmax(0)
        threshold = parameters["min_p"] * probs.max()
        clear &= parameters["min_p"] == 1 or bool(((probs - threshold).abs() > 1e-6 * threshold).all())
        scores = MinPLogitsWarper(parameters["min_p"], min_tokens_to_keep=1)(None, scores)
    return scores[0], clear


generator = torch.Generator().manual_seed(7)
cases = []
while len(cases) < CASES:
    combination = COMBINATIONS[len(cases) % len(COMBINATIONS)]
    shape = SHAPES[len(cases) // len(COMBINATIONS) % len(SHAPES)]
    logits = random_logits(shape)
    parameters = {name: choose(CHOICES[name]) for name in combination}
    scores, clear = warp(logits, parameters)
    if not clear:
        continue
    kept = scores.isfinite().nonzero()[:, 0].tolist()
    probs = [float(f"{p:.9g}") for p in scores.softmax(0)[kept].tolist()]
    cases.append({"shape": shape, **{name: parameters.get(name) for name in NAMES}, "logits": logits,
                  "kept": kept, "probs": probs})
Path(__file__).with_name("sampling.json").write_text(json.dumps({"cases": cases}, separators=(",", ":")) + "\n")
