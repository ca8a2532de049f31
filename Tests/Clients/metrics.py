"""`/metrics` and the log lines of a server that this script starts, beside a mixed load: the page is read by
`prometheus_client`, the counters are what the clients counted, the gauges return to zero after clients that hang up, each
request has one line of the log, and neither shows anything of a prompt.

    python3 metrics.py BINARY [--requests 120]

Without the package `prometheus_client` a small reader of our own does, which is said: it checks less.
"""
import argparse
import asyncio
import collections
import json
import random
import sys

import wire

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    text_string_to_metric_families = None

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("--requests", type=int, default=120)
arguments = parser.parse_args()
bars = wire.Bars("metrics")

rng = random.Random(12)
MARK = "xyzzy-marker"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PROCESS = ["cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "start_time_seconds", "open_fds", "max_fds"]


def check(what, is_held, found):
    bars(is_held, what if is_held else f"{what}: {found}")


def read(text):
    """Samples by name and sorted labels without the model's name."""
    if text_string_to_metric_families is None:
        return read_plainly(text)
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "model_name"}
            key = (sample.name, tuple(sorted(labels.items())))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def read_plainly(text):
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, _, value = line.rpartition(" ")
        name, _, rest = name.partition("{")
        labels = [part.partition("=") for part in rest.rstrip("}").split(",") if part]
        key = tuple(sorted((label, text.strip('"')) for label, _, text in labels if label != "model_name"))
        samples[name, key] = float(value)
    return samples


def check_histograms(samples):
    """Buckets rise, and the last is the count."""
    buckets = collections.defaultdict(list)
    for (name, labels), value in samples.items():
        if name.endswith("_bucket"):
            bound = float(dict(labels)["le"].replace("+Inf", "inf"))
            rest = tuple(label for label in labels if label[0] != "le")
            buckets[name.removesuffix("_bucket"), rest].append((bound, value))
    check("eleven histograms", len({name for name, _ in buckets}) == 11, sorted({name for name, _ in buckets}))
    for (name, rest), found in buckets.items():
        found.sort()
        rising = all(a[1] <= b[1] for a, b in zip(found, found[1:]))
        if not rising or found[-1][0] != float("inf") or found[-1][1] != samples[name + "_count", rest]:
            check(f"{name} is a histogram", False, found)


async def page(port):
    answer = await wire.call(port, "GET", "/metrics")
    assert answer.status == 200, answer.status
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", answer.headers
    return read(answer.body.decode())


def fields(index):
    modes = [{}, {"temperature": 0}, {"n": 3}, {"num_beams": 3}, {"n": 2, "best_of": 4, "stream": False},
             {"penalty_alpha": 0.6, "top_k": 4}, {"stop": ["e"]}, {"prompt": [MARK, MARK + " and more"]}]
    body = {"prompt": f"Once upon a time {MARK} {index}", "max_tokens": rng.randrange(1, 40), "seed": index, "user": "anna",
            "stream": rng.random() < 0.5, **rng.choice(modes)}
    if body["stream"]:
        body["stream_options"] = {"include_usage": True}
    return body


class Count:
    def __init__(self):
        self.reasons, self.sums = collections.Counter(), collections.Counter()

    async def ask(self, port, body):
        answer = await wire.call(port, "POST", "/v1/completions", body, [f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01"])
        assert answer.status == 200, answer.body
        assert answer.headers["traceparent"].startswith(f"00-{TRACE}-"), answer.headers
        documents = [event for _, event in answer.events] if body["stream"] else [answer.json]
        for document in documents:
            for choice in document["choices"]:
                if choice["finish_reason"]:
                    self.reasons[choice["finish_reason"]] += 1
        usage = documents[-1]["usage"]
        self.sums["request_prompt_tokens"] += usage["prompt_tokens"]
        self.sums["request_generation_tokens"] += usage["completion_tokens"]
        self.sums["request_params_max_tokens"] += body["max_tokens"]
        self.sums["request_params_n"] += body.get("n", 1)


async def hang_up(port):
    connection = await wire.Connection(port).open()
    connection.begin("POST", "/v1/completions", {"prompt": MARK, "max_tokens": 150, "ignore_eos": True, "stream": True,
                                                "n": 2})
    await asyncio.sleep(rng.uniform(0.0, 0.1))
    connection.hang_up()


async def settled(port, count):
    """The page once so many completions have ended, and nothing runs."""
    for _ in range(200):
        samples = await page(port)
        idle = not samples["needletail_num_requests_running", ()] and not samples["needletail_num_requests_waiting", ()]
        if idle and samples["needletail_e2e_request_latency_seconds_count", ()] >= count:
            break
        await asyncio.sleep(0.05)
    return samples


async def drive(server):
    count, port = Count(), server.port
    bodies = [fields(index) for index in range(arguments.requests)]
    await asyncio.gather(*(count.ask(port, body) for body in bodies))
    samples = await settled(port, len(bodies))
    check_histograms(samples)
    ends = {dict(labels)["finished_reason"]: int(value) for (name, labels), value in samples.items()
            if name == "needletail_request_success_total"}
    check("reasons are those the clients saw", {r: n for r, n in ends.items() if n} == dict(count.reasons),
               (ends, dict(count.reasons)))
    for name, total in count.sums.items():
        check(f"{name} is what the clients counted", samples[f"needletail_{name}_sum", ()] == total,
                   (samples[f"needletail_{name}_sum", ()], total))
        assert samples[f"needletail_{name}_count", ()] == len(bodies)
    posts = ("needletail_http_requests_total",
             (("handler", "/v1/completions"), ("method", "POST"), ("status", "200")))
    check("answers are counted", samples[posts] == len(bodies), samples[posts])
    check("the process tells of itself", all(("process_" + name, ()) in samples for name in PROCESS), PROCESS)

    await asyncio.gather(*(hang_up(port) for _ in range(40)))
    bad = await wire.call(port, "POST", "/v1/completions", {"prompt": MARK, "n": -1})
    assert bad.status == 400
    await asyncio.sleep(0.5)
    samples = await settled(port, len(bodies))
    names = ["num_requests_running", "num_requests_waiting", "num_tokens_waiting", "beam_requests_running",
             "kv_cache_usage_perc"]
    left = {name: samples["needletail_" + name, ()] for name in names}
    check("gauges are zero after hang-ups", not any(left.values()), left)
    aborted = samples["needletail_request_success_total", (("finished_reason", "abort"),)]
    check("hang-ups are aborts", aborted > 0, aborted)
    whole = await wire.call(port, "GET", "/metrics")
    check("no prompt, user or id on the page", not any(word in whole.body for word in [MARK.encode(), b"anna", TRACE.encode()]),
               len(whole.body))
    return len(bodies), samples


def check_log(lines, count, samples):
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    done = [row for row in rows if row["message"] == "completion"]
    ended = samples["needletail_e2e_request_latency_seconds_count", ()]
    check("one line for each completion", len(done) == ended and len({row["id"] for row in done}) == len(done),
               (len(done), ended))
    traced = [row for row in done if row["trace_id"] == TRACE]
    check("the trace is logged", len(traced) == count, len(traced))
    needed = ["request_id", "model", "status", "finish", "prompt_tokens", "cached_tokens", "completion_tokens", "queue_ms",
              "prompt_ms", "decode_ms", "seconds"]
    check("lines have times, tokens and reasons", all(name in row for row in traced for name in needed), needed)
    refused = [row for row in rows if row["message"] == "request"]
    check("a refusal has its line", [row["status"] for row in refused] == ["400"], refused)
    check("no prompt in the log", not any(MARK in line for line in lines), len(lines))


with wire.Server(arguments.binary, "--log-format", "json", "--max-running", "16") as server:
    count, samples = asyncio.run(drive(server))
    check_log(server.text().splitlines(), count, samples)
if text_string_to_metric_families is None:
    print("metrics: prometheus_client is not installed; the page was read by a small reader of our own")
sys.exit(bars.exit_status)
