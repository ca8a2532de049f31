"""Every way of decoding, over HTTP: 300 random requests, each alone plain, each alone streamed, then all of both at
once with 16 clients. Texts, tokens, logprobs, usage, endings and beam scores must be the same every time. Parts of a
stream are joined and never taken back, so a beam stream that equals the plain answer has never shortened.

    python3 mixed_requests.py PORT [COUNT]
"""
import collections
import concurrent.futures
import http.client
import json
import sys
import threading
import time

import every_mode

port = int(sys.argv[1])
count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
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


def plain(fields):
    choices, usage = every_mode.plain_answer(*call("POST", "/v1/completions", fields))
    return choices, every_mode.without_cached_count(usage)


def streamed(fields):
    choices, usage, parts = every_mode.streamed_answer(*call("POST", "/v1/completions", every_mode.as_stream(fields)))
    if fields.get("num_beams", 1) > 1:
        beam_parts.append(parts)
    return choices, every_mode.without_cached_count(usage)


def safely(run, fields):
    try:
        return run(fields)
    except Exception as error:
        local.__dict__.pop("connection", None)
        return {"error": repr(error)[:1500]}, None


def compare(label, index, expected, found):
    for part, one, other in zip(("choices", "usage"), expected, found):
        if (place := every_mode.difference(one, other)) is not None:
            failures.append((label, kinds[index], part, place, requests[index]))
            return


start = time.monotonic()
information = json.loads(call("GET", "/tokenizer_info")[1])
maker = every_mode.RequestMaker(31, information["vocab_size"], starts_empty=bool(information["bos_token"]))
kinds, requests = maker.requests(count)
failures = []
alone = [safely(plain, fields) for fields in requests]
for index, answer in enumerate(alone):
    if answer[1] is None:
        failures.append(("alone", kinds[index], "", answer[0]["error"], requests[index]))
streams = [index for index in range(count) if every_mode.can_stream(requests[index])]
for index in streams:
    compare("streamed", index, alone[index], safely(streamed, requests[index]))
jobs = [(plain, index) for index in range(count)] + [(streamed, index) for index in streams]
maker.rng.shuffle(jobs)
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
