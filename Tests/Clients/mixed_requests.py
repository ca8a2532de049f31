"""Every way of decoding, over HTTP: 300 random requests, each alone plain, each alone streamed, then all of both at
once with 16 clients. Texts, tokens, logprobs, usage, endings and beam scores must be the same every time. Parts of a
stream are joined and never taken back, so a beam stream that equals the plain answer has never shortened.

    python3 mixed_requests.py PORT [COUNT]
"""
import collections
import concurrent.futures
import http.client
import json
import random
import sys
import threading
import time

port = int(sys.argv[1])
count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
rng = random.Random(31)
local = threading.local()
beam_parts = []


def call(method, path, fields=None):
    """Status and body, over a connection that each thread keeps."""
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = None if fields is None else json.dumps(fields)
    local.connection.request(method, path, body, {"Content-Type": "application/json"})
    response = local.connection.getresponse()
    return response.status, response.read()


information = json.loads(call("GET", "/tokenizer_info")[1])
vocabulary = information["vocab_size"]
openings = ["Once upon a time", "Lily had a red ball.", "Tom and the dog", "\u00e9t\u00e9 \U0001F600 and", "One day, a big",
            "", "The end.", "She said, \"I"]


# ---- Requests

def chance(probability):
    return rng.random() < probability


def token():
    return rng.randrange(3, vocabulary)


def text_prompt():
    return " ".join(rng.choice(openings) for _ in range(rng.randrange(1, 5)))


def prompt():
    form = rng.choice(["text", "text", "ids", "texts", "lists"])
    if form == "text":
        return text_prompt()
    if form == "ids":
        return [token() for _ in range(rng.randrange(1, 30))]
    if form == "texts":
        return [text_prompt() for _ in range(rng.randrange(1, 4))]
    return [[token() for _ in range(rng.randrange(1, 20))] for _ in range(rng.randrange(1, 4))]


def some(makers, probability):
    """A random part of these fields, each made anew."""
    return {name: make() for name, make in makers.items() if chance(probability)}


warpers = {
    "top_k": lambda: rng.choice([1, 2, 5, 40]), "top_p": lambda: rng.uniform(0.3, 1), "min_p": lambda: rng.uniform(0, 0.3),
    "typical_p": lambda: rng.uniform(0.3, 1), "epsilon_cutoff": lambda: rng.uniform(0, 0.02),
    "eta_cutoff": lambda: rng.uniform(0, 0.02), "top_h": lambda: rng.uniform(0.3, 1),
}
processors = {
    "repetition_penalty": lambda: rng.uniform(0.8, 1.5), "presence_penalty": lambda: rng.uniform(-1, 1),
    "frequency_penalty": lambda: rng.uniform(-1, 1), "no_repeat_ngram_size": lambda: rng.randrange(1, 5),
    "logit_bias": lambda: {str(token()): rng.uniform(-5, 5) for _ in range(4)},
    "bad_words": lambda: rng.sample(["the", "Lily", " a", "ball", "was"], 2),
    "suppress_tokens": lambda: [token() for _ in range(10)],
    "allowed_token_ids": lambda: [2] + [token() for _ in range(vocabulary // 2)],
    "min_tokens": lambda: rng.randrange(0, 3),
    "exponential_decay_length_penalty": lambda: [rng.randrange(0, 8), rng.uniform(1, 1.3)],
}
answers = {
    "echo": lambda: True, "logprobs": lambda: rng.randrange(0, 6), "prompt_logprobs": lambda: rng.randrange(0, 3),
    "return_token_ids": lambda: True, "return_tokens_as_token_ids": lambda: True, "skip_special_tokens": lambda: False,
}
endings = {
    "stop": lambda: rng.sample([" the", "ly", ". ", "\n", "xyz", "ed", "e"], 2),
    "stop_token_ids": lambda: [token() for _ in range(5)], "include_stop_str_in_output": lambda: True,
    "ignore_eos": lambda: True,
}


def drawn():
    return {"temperature": rng.choice([0.3, 0.7, 1, 1.9]), **some(warpers, 0.35)}


def beams():
    width = rng.randrange(1, 17)
    return {
        "num_beams": width, "n": rng.randrange(1, width + 1) if chance(0.4) else 1,
        **({"length_penalty": rng.choice([-1, 0, 0.5, 1, 2]), "early_stopping": rng.choice([True, False, "never"])}
           if width > 1 else {}),
    }


def diverse():
    groups = rng.choice([2, 3, 4])
    return {"num_beams": groups * rng.randrange(1, 4), "num_beam_groups": groups, "diversity_penalty": rng.uniform(0, 2)}


modes = {
    "greedy": lambda: {"temperature": 0},
    "sampling": drawn,
    "processors": lambda: {**rng.choice([{"temperature": 0}, drawn()]), **some(processors, 0.4)},
    "several": lambda: {**drawn(), "n": rng.randrange(2, 6)},
    "best of": lambda: {**drawn(), "n": rng.randrange(1, 3), "best_of": rng.randrange(3, 6)},
    "beams": beams,
    "beams with processors": lambda: {**beams(), **some(processors, 0.3)},
    "sampled beams": lambda: {**beams(), **drawn(), **some(processors, 0.1)},
    "diverse beams": lambda: {**diverse(), **some(processors, 0.15)},
    "contrastive": lambda: {"penalty_alpha": rng.uniform(0.1, 0.9), "top_k": rng.randrange(2, 9)},
}


def request(mode):
    fields = {
        "prompt": prompt(), "max_tokens": rng.choice([0, 1, 2, 8, 16, 24]), "seed": rng.randrange(1 << 40),
        **modes[mode](), **some(answers, 0.25), **some(endings, 0.25),
    }
    fields["min_tokens"] = min(fields.get("min_tokens", 0), fields["max_tokens"])
    # A model that has no token to start a text with has no empty prompt.
    if not information["bos_token"] and "" in ([fields["prompt"]] if isinstance(fields["prompt"], str) else fields["prompt"]):
        fields["prompt"] = "a"
    return fields


# ---- Answers

def plain(fields):
    status, body = call("POST", "/v1/completions", fields)
    answer = json.loads(body)
    assert status == 200, (fields, answer)
    return {choice["index"]: choice for choice in answer["choices"]}, answer["usage"]


def join(whole, part):
    """A choice grown by a part of it: texts and lists by concatenation, objects member by member, else the last."""
    for key, value in part.items():
        if value is None or key == "index":
            whole.setdefault(key, value)
        elif isinstance(value, str) and key == "text":
            whole[key] = whole.get(key, "") + value
        elif isinstance(value, list):
            whole[key] = (whole.get(key) or []) + value
        elif isinstance(value, dict):
            whole[key] = join(whole.get(key) or {}, value)
        else:
            whole[key] = value
    return whole


def streamed(fields):
    body = {**fields, "stream": True, "stream_options": {"include_usage": True}}
    status, answer = call("POST", "/v1/completions", body)
    assert status == 200, (fields, answer)
    events = [event for event in answer.split(b"\n\n") if event.startswith(b"data: ")]
    assert events[-1] == b"data: [DONE]", (fields, events[-1])
    choices, usage, parts = {}, None, 0
    for event in events[:-1]:
        chunk = json.loads(event[6:])
        assert "error" not in chunk, (fields, chunk)
        assert usage is None, (fields, "a chunk after the usage")
        usage = chunk["usage"]
        for choice in chunk["choices"]:
            parts += bool(choice["text"]) and choice["index"] == 0
            join(choices.setdefault(choice["index"], {}), choice)
    if fields.get("num_beams", 1) > 1:
        beam_parts.append(parts)
    return choices, usage


def difference(expected, found):
    """Where two answers first differ; None where they do not."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in expected | found:
            if key not in expected or key not in found:
                return f"{key} only in one"
            if (inner := difference(expected[key], found[key])) is not None:
                return f"{key}: {inner}"
        return None
    return None if expected == found else f"{json.dumps(expected)[:300]} != {json.dumps(found)[:300]}"


def safely(run, fields):
    try:
        return run(fields)
    except Exception as error:
        local.__dict__.pop("connection", None)
        return {"error": repr(error)[:1500]}, None


def compare(label, index, expected, found):
    for part, one, other in zip(("choices", "usage"), expected, found):
        if (place := difference(one, other)) is not None:
            failures.append((label, kinds[index], part, place, requests[index]))
            return


start = time.monotonic()
kinds = [list(modes)[i % len(modes)] for i in range(count)]
requests = [request(kind) for kind in kinds]
failures = []
alone = [safely(plain, fields) for fields in requests]
for index, answer in enumerate(alone):
    if answer[1] is None:
        failures.append(("alone", kinds[index], "", answer[0]["error"], requests[index]))
# Which of several choices are the best is known at the end: such a request has no stream.
streams = [index for index in range(count) if kinds[index] != "best of"]
for index in streams:
    compare("streamed", index, alone[index], safely(streamed, requests[index]))
jobs = [(plain, index) for index in range(count)] + [(streamed, index) for index in streams]
rng.shuffle(jobs)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    found = [(run, index, pool.submit(safely, run, requests[index])) for run, index in jobs]
    for run, index, future in found:
        compare(f"{run.__name__} in the mixed batch", index, alone[index], future.result())
state = json.loads(call("GET", "/load")[1])
if state["server_load"] or state["free_kv_blocks"] != state["total_kv_blocks"]:
    failures.append(("afterwards", "", "", f"left behind {state}", {}))
if not any(parts > 1 for parts in beam_parts):
    failures.append(("streams", "beams", "", "no beam stream came in more than one part", {}))

for failure in failures[:5]:
    print("FAIL", *failure)
tally = collections.Counter((label, kind) for label, kind, *_ in failures)
for (label, kind), number in sorted(tally.items()):
    print(f"FAIL {label}, {kind}: {number}")
several = sum(parts > 1 for parts in beam_parts)
print(
    f"mixed requests: {count + len(streams) + len(jobs) - len(failures)} passed, {len(failures)} failed; {several} of "
    f"{len(beam_parts)} beam streams came in parts; {time.monotonic() - start:.0f} s")
sys.exit(1 if failures else 0)
