"""Random requests of every way of decoding, from a seed, and how their answers are compared.

Used by mixed_requests.py and one_answer.py.
"""
import json
import random

OPENINGS = ["Once upon a time", "Lily had a red ball.", "Tom and the dog", "\u00e9t\u00e9 \U0001F600 and", "One day, a big",
            "", "The end.", "She said, \"I"]


class RequestMaker:
    """Requests for a model with so many tokens; `starts_empty` where it has a token to start an empty text with."""

    def __init__(self, seed, vocabulary, starts_empty):
        self.rng = random.Random(seed)
        self.vocabulary = vocabulary
        self.starts_empty = starts_empty
        rng, token = self.rng, self.token
        self.warpers = {
            "top_k": lambda: rng.choice([1, 2, 5, 40]), "top_p": lambda: rng.uniform(0.3, 1),
            "min_p": lambda: rng.uniform(0, 0.3), "typical_p": lambda: rng.uniform(0.3, 1),
            "epsilon_cutoff": lambda: rng.uniform(0, 0.02), "eta_cutoff": lambda: rng.uniform(0, 0.02),
            "top_h": lambda: rng.uniform(0.3, 1),
        }
        self.processors = {
            "repetition_penalty": lambda: rng.uniform(0.8, 1.5), "presence_penalty": lambda: rng.uniform(-1, 1),
            "frequency_penalty": lambda: rng.uniform(-1, 1), "no_repeat_ngram_size": lambda: rng.randrange(1, 5),
            "logit_bias": lambda: {str(token()): rng.uniform(-5, 5) for _ in range(4)},
            "bad_words": lambda: rng.sample(["the", "Lily", " a", "ball", "was"], 2),
            "suppress_tokens": lambda: [token() for _ in range(10)],
            "allowed_token_ids": lambda: [2] + [token() for _ in range(vocabulary // 2)],
            "min_tokens": lambda: rng.randrange(0, 3),
            "exponential_decay_length_penalty": lambda: [rng.randrange(0, 8), rng.uniform(1, 1.3)],
        }
        self.answers = {
            "echo": lambda: True, "logprobs": lambda: rng.randrange(0, 6), "prompt_logprobs": lambda: rng.randrange(0, 3),
            "return_token_ids": lambda: True, "return_tokens_as_token_ids": lambda: True,
            "skip_special_tokens": lambda: False,
        }
        self.endings = {
            "stop": lambda: rng.sample([" the", "ly", ". ", "\n", "xyz", "ed", "e"], 2),
            "stop_token_ids": lambda: [token() for _ in range(5)], "include_stop_str_in_output": lambda: True,
            "ignore_eos": lambda: True,
        }
        self.modes = {
            "greedy": lambda: {"temperature": 0},
            "sampling": self.drawn,
            "processors": lambda: {**rng.choice([{"temperature": 0}, self.drawn()]), **self.some(self.processors, 0.4)},
            "several": lambda: {**self.drawn(), "n": rng.randrange(2, 6)},
            "best of": lambda: {**self.drawn(), "n": rng.randrange(1, 3), "best_of": rng.randrange(3, 6)},
            "beams": self.beams,
            "beams with processors": lambda: {**self.beams(), **self.some(self.processors, 0.3)},
            "sampled beams": lambda: {**self.beams(), **self.drawn(), **self.some(self.processors, 0.1)},
            "diverse beams": lambda: {**self.diverse(), **self.some(self.processors, 0.15)},
            "contrastive": lambda: {"penalty_alpha": rng.uniform(0.1, 0.9), "top_k": rng.randrange(2, 9)},
        }

    def chance(self, probability):
        return self.rng.random() < probability

    def token(self):
        return self.rng.randrange(3, self.vocabulary)

    def text_prompt(self):
        return " ".join(self.rng.choice(OPENINGS) for _ in range(self.rng.randrange(1, 5)))

    def prompt(self):
        rng = self.rng
        form = rng.choice(["text", "text", "ids", "texts", "lists"])
        if form == "text":
            return self.text_prompt()
        if form == "ids":
            return [self.token() for _ in range(rng.randrange(1, 30))]
        if form == "texts":
            return [self.text_prompt() for _ in range(rng.randrange(1, 4))]
        return [[self.token() for _ in range(rng.randrange(1, 20))] for _ in range(rng.randrange(1, 4))]

    def some(self, makers, probability):
        """A random part of these fields, each made anew."""
        return {name: make() for name, make in makers.items() if self.chance(probability)}

    def drawn(self):
        return {"temperature": self.rng.choice([0.3, 0.7, 1, 1.9]), **self.some(self.warpers, 0.35)}

    def beams(self):
        rng = self.rng
        width = rng.randrange(1, 17)
        return {
            "num_beams": width, "n": rng.randrange(1, width + 1) if self.chance(0.4) else 1,
            **({"length_penalty": rng.choice([-1, 0, 0.5, 1, 2]), "early_stopping": rng.choice([True, False, "never"])}
               if width > 1 else {}),
        }

    def diverse(self):
        groups = self.rng.choice([2, 3, 4])
        return {"num_beams": groups * self.rng.randrange(1, 4), "num_beam_groups": groups,
                "diversity_penalty": self.rng.uniform(0, 2)}

    def request(self, mode):
        fields = {
            "prompt": self.prompt(), "max_tokens": self.rng.choice([0, 1, 2, 8, 16, 24]),
            "seed": self.rng.randrange(1 << 40), **self.modes[mode](), **self.some(self.answers, 0.25),
            **self.some(self.endings, 0.25),
        }
        fields["min_tokens"] = min(fields.get("min_tokens", 0), fields["max_tokens"])
        prompts = [fields["prompt"]] if isinstance(fields["prompt"], str) else fields["prompt"]
        if not self.starts_empty and "" in prompts:
            fields["prompt"] = "a"
        return fields

    def requests(self, count):
        """So many requests, of every mode in turn, and the mode of each."""
        kinds = [list(self.modes)[i % len(self.modes)] for i in range(count)]
        return kinds, [self.request(kind) for kind in kinds]


def can_stream(fields):
    """Which of several choices are the best is known at the end: such a request has no stream."""
    return "best_of" not in fields


def as_stream(fields):
    return {**fields, "stream": True, "stream_options": {"include_usage": True}}


def plain_answer(status, body):
    """The choices by their index, and the usage."""
    answer = json.loads(body)
    assert status == 200, (status, answer)
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


def streamed_answer(status, body):
    """What `plain_answer` gives, and in how many parts the first choice's text came."""
    assert status == 200, (status, body[:1000])
    events = [event for event in body.split(b"\n\n") if event.startswith(b"data: ")]
    assert events[-1] == b"data: [DONE]", events[-1]
    choices, usage, parts = {}, None, 0
    for event in events[:-1]:
        chunk = json.loads(event[6:])
        assert "error" not in chunk, chunk
        assert usage is None, "a chunk after the usage"
        usage = chunk["usage"]
        for choice in chunk["choices"]:
            parts += bool(choice["text"]) and choice["index"] == 0
            join(choices.setdefault(choice["index"], {}), choice)
    return choices, usage, parts


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


def without_cached_count(usage):
    """What of the prompt came from the prefix cache is the one thing in an answer that the crowd may change."""
    details = {**(usage.get("prompt_tokens_details") or {}), "cached_tokens": None}
    return {**usage, "prompt_tokens_details": details}
