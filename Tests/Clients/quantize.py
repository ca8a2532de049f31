"""Every type of `needletail quantize`, read by llama.cpp and by us: perplexity of the same stories, the same greedy tokens.

    python3 quantize.py BINARY [MODEL ...] [--stories 12] [--tokens 40] [--types q8_0,q4_k] [--text FILE]

Needs numpy and llama-cpp-python. MODEL is a directory or a GGUF file; by default the two small models of ../shared/data.
Beside each file stands what llama.cpp's own quantiser makes of the same F32 weights. Floats and 8 bits have to agree with
the unquantised model within 1 %; a file of ours may be at most 1 % worse than theirs; both programs have to find the same
perplexity in a file within 1 %, and begin with the same greedy tokens.
"""
import argparse
import ctypes
import json
import math
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import llama_cpp
import numpy as np

DATA = Path(__file__).resolve().parents[3] / "shared/data"
# Name of the type: llama.cpp's number of the file type.
TYPES = {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q6_k": 18, "q5_k": 16, "q5_1": 9, "q5_0": 8, "q4_k": 14, "q4_1": 3,
         "q4_0": 2}
CONTEXT = 512


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done


def llama_quantize(source, target, number):
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = number, 1
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(parameters)) == 0


class Theirs:
    def __init__(self, path):
        self.model = llama_cpp.Llama(
            str(path), n_ctx=CONTEXT, n_batch=CONTEXT, logits_all=True, verbose=False, n_threads=1)

    def tokens(self, text):
        return self.model.tokenize(text.encode(), add_bos=True, special=False)[:CONTEXT]

    def loss(self, tokens):
        self.model.reset()
        self.model.eval(tokens)
        logits = np.array(self.model.scores[:len(tokens) - 1], np.float64)
        top = logits.max(-1, keepdims=True)
        sums = np.log(np.exp(logits - top).sum(-1)) + top[:, 0]
        return float((sums - logits[np.arange(len(tokens) - 1), tokens[1:]]).sum())

    def greedy(self, tokens, count):
        made = []
        for token in self.model.generate(tokens, temp=0.0, repeat_penalty=1.0):
            made.append(int(token))
            if len(made) == count:
                return made


class Ours:
    def __init__(self, binary, path, log):
        self.log = open(log, "w+")
        self.process = subprocess.Popen(
            [binary, "serve", "--model", path, "--port", "0", "--model-name", "m"], stderr=self.log)
        while not (ready := re.search(r"ready in.*127\.0\.0\.1:(\d+)", Path(log).read_text())):
            if self.process.poll() is not None:
                sys.exit(Path(log).read_text())
        self.url = f"http://127.0.0.1:{ready[1]}/v1/completions"

    def post(self, **fields):
        body = json.dumps({"model": "m", **fields}).encode()
        with urllib.request.urlopen(
                urllib.request.Request(self.url, body, {"content-type": "application/json"})) as answer:
            return json.load(answer)["choices"][0]

    def loss(self, tokens):
        choice = self.post(prompt=tokens, max_tokens=0, echo=True, logprobs=0, add_special_tokens=False)
        return -sum(value for value in choice["logprobs"]["token_logprobs"] if value is not None)

    def greedy(self, tokens, count):
        return self.post(prompt=tokens, max_tokens=count, temperature=0, ignore_eos=True, return_token_ids=True,
                         add_special_tokens=False)["token_ids"]

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def perplexity(reader, stories):
    return math.exp(sum(map(reader.loss, stories)) / sum(len(story) - 1 for story in stories))


def common(one, other):
    return next((place for place, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def compare(arguments, model, folder, failures):
    plain = folder / "f32.gguf"
    run(arguments.binary, "quantize", model, plain, "--type", "f32", "--force")
    texts = [text.strip() for text in arguments.text.read_text().split("<|endoftext|>") if len(text) > 300]
    theirs = Theirs(plain)
    stories = [theirs.tokens(text) for text in texts[1200:1200 + arguments.stories] or texts[:arguments.stories]]
    base = perplexity(theirs, stories)
    print(f"{model}: {sum(map(len, stories))} tokens, perplexity {base:.4f} in F32 by llama.cpp")
    print("type   bytes     ours by llama.cpp  ours by us  llama.cpp's own  same greedy tokens")
    for name in arguments.types.split(","):
        path, own = folder / f"{name}.gguf", folder / f"{name}-theirs.gguf"
        run(arguments.binary, "quantize", model, path, "--type", name, "--force")
        llama_quantize(plain, own, TYPES[name])
        reader, served = Theirs(path), Ours(arguments.binary, path, folder / "log")
        try:
            found = perplexity(reader, stories), perplexity(served, stories), perplexity(Theirs(own), stories)
            same = [common(reader.greedy(s[:8], arguments.tokens), served.greedy(s[:8], arguments.tokens))
                    for s in stories[:4]]
        finally:
            served.stop()
        size = path.stat().st_size
        print(f"{name:6} {size:9} {found[0]:18.4f} {found[1]:11.4f} {found[2]:16.4f}  {same} of {arguments.tokens}",
              flush=True)
        if name in ("f32", "f16", "bf16", "q8_0") and abs(found[0] / base - 1) > 0.01:
            failures.append(f"{model} {name}: {found[0]} is not {base}")
        if abs(found[1] / found[0] - 1) > 0.01 or found[0] / found[2] > 1.01 or sum(same) < 4:
            failures.append(f"{model} {name}: {found}, {same}")


parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("models", nargs="*", default=[DATA / "stories260K/hf", DATA / "tinystories-656k/hf"])
parser.add_argument("--stories", type=int, default=12)
parser.add_argument("--tokens", type=int, default=40)
parser.add_argument("--types", default=",".join(TYPES))
parser.add_argument("--text", type=Path, default=DATA / "corpus/tinystories-subset.txt")
arguments = parser.parse_args()
failures = []
for model in arguments.models:
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, model, Path(folder), failures)
print(*failures, sep="\n")
sys.exit(1 if failures else 0)
