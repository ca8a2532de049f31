"""The openai package, unmodified, against a running server: completions, streams with usage, models, errors.

    python3 openai_client.py http://127.0.0.1:8080/v1
"""
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"failed: {what}")


models = client.models.list().data
check(len(models) == 1, "one model is listed")
name = models[0].id
check(client.models.retrieve(name).id == name, "a model is found by its name")

request = dict(model=name, prompt="Once upon a time", max_tokens=40, temperature=0.8, seed=7)
plain = client.completions.create(**request)
check(plain.object == "text_completion" and plain.model == name, "the object says what it is")
check(len(plain.choices) == 1 and len(plain.choices[0].text) > 20, "there is text")
check(plain.choices[0].finish_reason in ("stop", "length"), "it says why it ended")
check(plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens, "usage adds up")
check(plain.usage.completion_tokens <= 40, "max_tokens holds")
check(client.completions.create(**request).choices[0].text == plain.choices[0].text, "a seed repeats")

chunks = list(client.completions.create(**request, stream=True, stream_options={"include_usage": True}))
check("".join(c.choices[0].text for c in chunks if c.choices) == plain.choices[0].text, "the stream is the text")
check([c.choices[0].finish_reason for c in chunks if c.choices][-1] == plain.choices[0].finish_reason, "same ending")
check(chunks[-1].choices == [] and chunks[-1].usage == plain.usage, "the last chunk brings the usage")
check(all(c.usage is None for c in chunks[:-1]), "no other chunk does")
check(len({c.id for c in chunks}) == 1, "one id")
check(not list(client.completions.create(**request, stream=True))[-1].usage, "no usage unless asked for")

stopped = client.completions.create(model=name, prompt="Once upon a time", max_tokens=60, temperature=0, stop=[" a", "."])
check(stopped.choices[0].finish_reason == "stop" and "." not in stopped.choices[0].text, "stop strings end the text")



def joined(**fields):
    """The logprobs of a stream, put together."""
    parts = [c.choices[0].logprobs for c in client.completions.create(**fields, stream=True) if c.choices]
    keys = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    return [sum((getattr(part, key) for part in parts if part), []) for key in keys]


scored = client.completions.create(**request, logprobs=3)
logprobs = scored.choices[0].logprobs
check(scored.choices[0].text == plain.choices[0].text, "logprobs do not change the text")
check("".join(logprobs.tokens).removesuffix("</s>") == plain.choices[0].text, "the tokens are the text")
check(len(logprobs.tokens) == plain.usage.completion_tokens, "each token has its logprob")
check(all(value <= 0 for value in logprobs.token_logprobs), "logprobs are not above 0")
check(all(3 <= len(top) <= 4 for top in logprobs.top_logprobs), "three alternatives, and the token if it is another")
check(all(logprobs.top_logprobs[i][token] == logprobs.token_logprobs[i] for i, token in enumerate(logprobs.tokens)),
      "the token's own entry is the same number")
offsets = [sum(map(len, logprobs.tokens[:i])) for i in range(len(logprobs.tokens))]
check(logprobs.text_offset == offsets, "offsets count characters")
check(joined(**request, logprobs=3) == [logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, offsets],
      "a stream brings the same logprobs")

echoed = client.completions.create(model=name, prompt="Once upon a time", max_tokens=0, echo=True, logprobs=1)
choice = echoed.choices[0]
check(choice.text == "Once upon a time" and echoed.usage.completion_tokens == 0, "echo alone is the prompt")
check(choice.logprobs.token_logprobs[0] is None and all(v < 0 for v in choice.logprobs.token_logprobs[1:]),
      "the prompt is scored but for its first token")
check(client.completions.create(**request, echo=True).choices[0].text == request["prompt"] + plain.choices[0].text,
      "echo goes before the completion")

several = client.completions.create(**request, n=3)
check([c.index for c in several.choices] == [0, 1, 2], "n choices in order")
check(len({c.text for c in several.choices}) == 3 and several.choices[0].text == plain.choices[0].text,
      "they differ, and the first is that of n = 1")
check(several.usage.prompt_tokens == plain.usage.prompt_tokens, "the prompt counts once")
best = client.completions.create(**{**request, "max_tokens": 8}, n=2, best_of=5, logprobs=0)
means = [sum(c.logprobs.token_logprobs) / len(c.logprobs.tokens) for c in best.choices]
check(len(means) == 2 and means[0] >= means[1], "the best of five, best first")

lists = client.completions.create(model=name, prompt=["Once", "Lily"], max_tokens=5, temperature=0, n=2)
check([c.index for c in lists.choices] == [0, 1, 2, 3], "a list of prompts has its choices one after the other")
check(lists.choices[0].text == lists.choices[1].text != lists.choices[2].text, "prompt by prompt")

top = client.completions.create(model=name, prompt="Once upon a", max_tokens=1, temperature=0, logprobs=1,
                                extra_body={"return_token_ids": True})
banned = client.completions.create(model=name, prompt="Once upon a", max_tokens=1, temperature=0,
                                   logit_bias={str(top.choices[0].token_ids[0]): -100})
check(banned.choices[0].text != top.choices[0].text, "logit_bias bans a token")

beams = client.completions.create(model=name, prompt="Once upon a time", max_tokens=20, n=2, extra_body={"num_beams": 4})
check(beams.choices[0].beam_score >= beams.choices[1].beam_score, "beams come best first")
parts = list(client.completions.create(model=name, prompt="Once upon a time", max_tokens=20, stream=True,
                                       extra_body={"num_beams": 4}))
check("".join(c.choices[0].text for c in parts) == beams.choices[0].text, "a beam stream is the best beam")

with client.completions.create(model=name, prompt="Once", max_tokens=300, stream=True) as stream:
    next(iter(stream))
check(client.completions.create(model=name, prompt="Once", max_tokens=1).usage.completion_tokens == 1, "life goes on after a hang-up")


def refused(kind, param, code, **fields):
    try:
        client.completions.create(**{**request, **fields})
    except kind as error:
        check((error.param, error.code) == (param, code), f"{fields}: param {error.param}, code {error.code}")
        check(error.type == "invalid_request_error" and error.message, f"{fields}: type {error.type}")
        return
    sys.exit(f"failed: {fields} was not refused")


refused(openai.BadRequestError, "temperature", None, temperature=3)
refused(openai.BadRequestError, "max_tokens", None, max_tokens=-1)
refused(openai.BadRequestError, "prompt", "context_length_exceeded", prompt=[5] * 100_000)
refused(openai.NotFoundError, "model", "model_not_found", model="nobody")
refused(openai.BadRequestError, "best_of", None, n=3, best_of=2)
refused(openai.BadRequestError, "best_of", None, best_of=3, stream=True)
refused(openai.BadRequestError, "logprobs", None, logprobs=21)
refused(openai.BadRequestError, "logit_bias", None, logit_bias={"x": 1})
# The story model's tokeniser has no tokens for filling in the middle.
refused(openai.BadRequestError, "suffix", None, suffix="The end.")
print(f"openai {openai.__version__}: {checks} passed, 0 failed")
