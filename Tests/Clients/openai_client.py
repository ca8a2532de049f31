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
refused(openai.BadRequestError, "best_of", None, best_of=3)
print(f"openai {openai.__version__}: {checks} passed, 0 failed")
