"""Bad values of every field: each is refused with 400 and the field's name in `param`, while a neighbour streams a long
text, which must come out as it does alone. Against the story model, whose tokeniser has no fill-in-the-middle tokens.

    python3 bad_values.py PORT
"""
import http.client
import json
import sys
import threading
import time

port = int(sys.argv[1])
HUGE = 10**30
DEEP = "[" * 40 + "]" * 40


def connect():
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def call(connection, method, path, body=None):
    connection.request(method, path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


setup = connect()
vocabulary = call(setup, "GET", "/tokenizer_info")[1]["vocab_size"]
context = call(setup, "GET", "/v1/models")[1]["data"][0]["max_model_len"]


def several(field, *values, **others):
    """The same field with each of the values, beside others; values are JSON texts where they are strings."""
    return [(field, {field: value, **others}) for value in values]


def wrong_types(field, *kinds):
    return several(field, *({"text": '"1"', "bool": "true", "list": "[1]", "object": "{}", "fraction": "1.5"}[kind]
                            for kind in kinds))


SCALAR = ("text", "bool", "list", "object")
ID_LIST = ['"1"', "1", "[-1]", f"[{vocabulary}]", "[1.5]", "[true]", "[null]", '["1"]', f"[{HUGE}]", "[[1]]"]
cases = [
    # OpenAI's fields.
    *several("prompt", "null", "1", "true", "{}", "[]", "[[]]", '[1, "a"]', '["a", 1]', "[[1], 2]", "[-1]",
             f"[{vocabulary}]", "[1.0]", f"[{HUGE}]", "[true]", "[null]", "[[1, -1]]", DEEP, f"[{', '.join(['1'] * (context + 1))}]",
             "[" + ", ".join(['"a"'] * 513) + "]"),
    *wrong_types("best_of", *SCALAR, "fraction"), *several("best_of", "0", "-1", "21", f"{HUGE}"),
    *several("best_of", "2", n="3"), *several("best_of", "3", stream="true"),
    *several("echo", "1", '"true"', "[]"),
    *wrong_types("frequency_penalty", *SCALAR), *several("frequency_penalty", "2.1", "-2.1", "1e308", '"NaN"'),
    *wrong_types("presence_penalty", *SCALAR), *several("presence_penalty", "2.1", "-2.1", '"-Infinity"'),
    *several("logit_bias", "1", "[]", '{"a": 1}', '{"-1": 1}', '{"+1": 1}', '{"1.0": 1}', '{"": 1}', '{"01": 1}',
             f'{{"{vocabulary}": 1}}', '{"1": 101}', '{"1": -100.5}', '{"1": "1"}', '{"1": null}', f'{{"{HUGE}": 1}}',
             "{" + ", ".join(f'"{key}": 1' for key in range(1025)) + "}" if vocabulary < 1025 else '{"1": [1]}'),
    *wrong_types("logprobs", *SCALAR, "fraction"), *several("logprobs", "-1", "21", f"{HUGE}"),
    *wrong_types("max_tokens", *SCALAR, "fraction"), *several("max_tokens", "-1", f"{context + 1}", "2147483648", f"{HUGE}"),
    *wrong_types("n", *SCALAR, "fraction"), *several("n", "0", "-1", "129", "1000000", f"{HUGE}"),
    *several("n", "128", prompt="[" + ", ".join(["[1]"] * 5) + "]"),
    *wrong_types("seed", *SCALAR, "fraction"), *several("seed", f"{1 << 63}", f"{-(1 << 63) - 1}"),
    *several("stop", '""', '["a", ""]', "1", "[1]", "[null]", "{}", json.dumps(["a"] * 65), json.dumps("a" * 1025)),
    *several("stream", "1", '"true"'),
    *several("stream_options", '{"include_usage": true}'), *several("stream_options", "1", "[]", stream="true"),
    *several("stream_options", '{"include_usage": 1}', '{"continuous_usage_stats": "x"}', stream="true"),
    *several("suffix", '"abc"', "1"),
    *wrong_types("temperature", *SCALAR), *several("temperature", "-0.1", "2.1", "1e300", '"NaN"', f"{HUGE}"),
    *wrong_types("top_p", *SCALAR), *several("top_p", "0", "-0.5", "1.1", '"Infinity"'),
    *several("user", "1", "[]"),
    # Warpers.
    *wrong_types("top_k", *SCALAR, "fraction"), *several("top_k", "-2", f"{HUGE}"),
    *several("min_p", "-0.1", "1.1", '"0"'), *several("typical_p", "0", "1.1", "true"),
    *several("epsilon_cutoff", "-0.1", "1.1"), *several("eta_cutoff", "-0.1", "1.1"), *several("top_h", "0", "1.1"),
    *several("do_sample", "1", '"yes"'), *several("penalty_alpha", "-0.1", "1.1", '"0.6"'),
    *several("penalty_alpha", "0.6"), *several("penalty_alpha", "0.6", top_k="1"),
    *several("penalty_alpha", "0.6", top_k="4", temperature="0.7"), *several("penalty_alpha", "0.6", num_beams="2"),
    # Processors.
    *several("repetition_penalty", "0", "-1", "1e300", '"1"'), *several("repeat_penalty", "0", "true"),
    *several("repeat_penalty", "1.2", repetition_penalty="1.3"), *several("repeat_last_n", "64", "-2", "1.5"),
    *several("no_repeat_ngram_size", "-1", "1.5", f"{HUGE}"), *several("bad_words", '"a"', "[1]", '[""]', "{}"),
    *several("allowed_token_ids", "[]", *ID_LIST), *several("suppress_tokens", *ID_LIST),
    *several("exponential_decay_length_penalty", "1", "[]", "[1]", "[1, 2, 3]", "[-1, 1.1]", "[1, 0]", '["1", 1]', "[1.5, 1.1]"),
    # Ends.
    *several("min_tokens", "-1", "1.5", '"1"', "17", f"{HUGE}"), *several("min_tokens", "6", max_tokens="5"),
    *several("ignore_eos", "1", '"true"'), *several("stop_token_ids", *ID_LIST, json.dumps([1] * 65)),
    *several("include_stop_str_in_output", "1"), *several("max_time", "0", "-1", '"1"', "1e300"),
    # The prompt.
    *several("add_special_tokens", "1"), *several("truncate_prompt_tokens", "0", "-2", "1.5", '"1"'),
    *several("truncation_side", '"middle"', "1"), *several("truncation_side", '"right"'),
    # The answer.
    *several("skip_special_tokens", "1"), *several("prompt_logprobs", "-1", "21", "true", "1.5"),
    *several("return_token_ids", '"true"'), *several("return_tokens_as_token_ids", "1"),
    *several("request_id", '""', '"a b"', "1", json.dumps("a" * 129), '"a\\n"'),
    # Beams.
    *wrong_types("num_beams", *SCALAR, "fraction"), *several("num_beams", "0", "-1", "17", f"{HUGE}"),
    *several("beam_width", "0", "17", '"2"'), *several("beam_width", "2", num_beams="3"),
    *several("use_beam_search", "1", '"true"'), *several("use_beam_search", "false", num_beams="3"),
    *several("n", "5", num_beams="4"), *several("num_return_sequences", "0", "5", num_beams="4"),
    *several("num_return_sequences", "2", n="3"), *several("best_of", "3", num_beams="4"),
    *several("length_penalty", '"1"', "11", "-11", "1e300", num_beams="2"), *several("length_penalty", "2"),
    *several("early_stopping", '"always"', "1", "[]", num_beams="2"), *several("early_stopping", "true"),
    *several("num_beam_groups", "0", "3", "17", "1.5", num_beams="4"), *several("num_beam_groups", "2"),
    *several("num_beam_groups", "2", num_beams="4", temperature="0.7"),
    *several("diversity_penalty", "-1", "101", '"1"', num_beams="4", num_beam_groups="2"),
    *several("diversity_penalty", "1", num_beams="4"), *several("top_k", "5", num_beams="4"),
    *several("top_p", "0.5", num_beams="4"),
    # Beside others.
    *wrong_types("priority", *SCALAR, "fraction"), *several("priority", f"{1 << 63}", f"{-(1 << 63) - 1}"),
    *several("cache_salt", '""', "1", "[]", json.dumps("a" * 257)), *several("cache_salt", '"x"', cache_prompt="false"),
    *several("cache_prompt", "1", '"true"'), *several("user", json.dumps("a" * 513)),
    # Known and not done.
    *several("grammar", '"root ::= 1"'), *several("response_format", '{"type": "json_object"}', "1"),
    *several("lora", "[]"), *several("guided_regex", '"a"'), *several("prompt_embeds", '"AAAA"'),
    # No JSON: nobody is to blame.
    (None, '{"prompt": "a", "temperature": NaN}'), (None, '{"prompt": "a", "temperature": Infinity}'),
    (None, '{"prompt": "a", "temperature": 1e999}'), (None, '{"prompt": "a", "max_tokens": 01}'),
    (None, '{"prompt": "a", "prompt": "b"}'), (None, '{"prompt": "a",}'), (None, "[]"), (None, '"a"'), (None, ""),
    (None, '{"prompt": "\\ud800"}'), (None, '{"prompt": "a"} x'), (None, "{'prompt': 'a'}"),
]


def body(case):
    if isinstance(case, str):
        return case
    fields = {"prompt": '"Once"', **case}
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in fields.items()) + "}"


class Neighbour(threading.Thread):
    """Streams the same long text over and over."""

    def __init__(self, mode):
        super().__init__(daemon=True)
        self.mode, self.texts, self.stopped, self.error = mode, [], False, None

    def run(self):
        try:
            while not self.stopped:
                self.texts.append(self.text())
        except Exception as error:
            self.error = repr(error)

    def text(self):
        connection = connect()
        request = {"prompt": "Once upon a time", "max_tokens": min(150, context - 20), "ignore_eos": True,
                   "stream": True, **self.mode}
        connection.request("POST", "/v1/completions", json.dumps(request), {"Content-Type": "application/json"})
        events = connection.getresponse().read().split(b"\n\n")
        assert b"data: [DONE]" in events, events[-2:]
        chunks = [json.loads(event[6:]) for event in events if event.startswith(b"data: {")]
        return "".join(chunk["choices"][0]["text"] for chunk in chunks)


neighbours = [Neighbour({"temperature": 1, "seed": 5}), Neighbour({"num_beams": 4})]
undisturbed = [neighbour.text() for neighbour in neighbours]
for neighbour in neighbours:
    neighbour.start()
failed, connection, start, rounds = 0, connect(), time.monotonic(), 0
# Over again until each neighbour has come to its end a few times.
while rounds == 0 or (min(len(neighbour.texts) for neighbour in neighbours) < 5 and time.monotonic() - start < 60):
    rounds += 1
    for param, case in cases:
        try:
            status, answer = call(connection, "POST", "/v1/completions", body(case))
            error = answer.get("error", {})
            problem = None if (status, error.get("param")) == (400, param) else f"{status}, param {error.get('param')}"
            if problem is None and not (error["type"] == "invalid_request_error" and 0 < len(error["message"]) <= 1000):
                problem = f"error body {answer}"
        except Exception as exception:
            problem, connection = repr(exception), connect()
        if problem:
            failed += 1
            print(f"FAIL {body(case)[:160]}: expected 400 with param {param}, got {problem}")
for neighbour, text in zip(neighbours, undisturbed):
    neighbour.stopped = True
    neighbour.join(60)
    different = sum(other != text for other in neighbour.texts)
    if neighbour.error or different or not neighbour.texts:
        failed += 1
        print(f"FAIL {neighbour.mode}: {different} of {len(neighbour.texts)} texts differ, {neighbour.error}")
status, state = call(connect(), "GET", "/load")
if state["server_load"] or state["free_kv_blocks"] != state["total_kv_blocks"]:
    failed += 1
    print(f"FAIL: left behind {state}")
streams = sum(len(neighbour.texts) for neighbour in neighbours)
print(
    f"bad values: {len(cases)} refused {rounds} times, {failed} failed, beside {streams} streams, "
    f"{time.monotonic() - start:.0f} s")
sys.exit(1 if failed else 0)
