"""Four times what the server can do, for a minute: every answer is 200, 429 or 503 with its headers, what is answered
well stays at 95 % of the capacity, memory stays flat, nobody waits beyond the bound, and afterwards it is as fast as
before.

    python3 overload.py PORT --pid PID [--seconds 60] [--factor 4] [--clients 16] [--prompt 150] [--output 100]
                        [--max-queue-seconds 60] [--goodput-bar 0.95] [--latency-bar 1.15] [--control PORT]

Best with a model of some size (make_model.py), so that the server and not this client has the work. The clients of the
closed loop that measures the capacity should be as many as the server runs at once, or a few more.

One request alone takes 380 to 690 ms on a shared machine whose server is idle, and not the same a minute later. With
`--control`, the port of a second server of the same kind that stands idle during the overload, each single request is
followed by one to that server, and the bar holds their ratio: the machine's moods are in both.
"""
import argparse
import asyncio
import collections
import random
import sys
import time

import wire

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--pid", type=int, required=True)
parser.add_argument("--seconds", type=float, default=60)
parser.add_argument("--capacity-seconds", type=float, default=20)
parser.add_argument("--factor", type=float, default=4)
parser.add_argument("--clients", type=int, default=16)
parser.add_argument("--prompt", type=int, default=150)
parser.add_argument("--output", type=int, default=100)
parser.add_argument("--max-queue-seconds", type=float, default=60)
parser.add_argument("--single", type=int, default=15)
parser.add_argument("--control", type=int, help="the port of a server that has no overload")
parser.add_argument("--goodput-bar", type=float, default=0.95)
parser.add_argument("--latency-bar", type=float, default=1.15)
parser.add_argument("--no-time-bars", action="store_true", help="goodput and latency are told and not judged")
arguments = parser.parse_args()
rng = random.Random(4)
bars = wire.Bars("overload")
# At the start the places fill. Those of the closed loop begin at different times within it, so that they stay apart: a
# crowd in step would have its prompts computed together and its tokens together.
RAMP_SECONDS = 5
TIMEOUT = arguments.max_queue_seconds + 120


def request(as_stream):
    return {"prompt": [rng.randrange(3, 500) for _ in range(arguments.prompt)], "max_tokens": arguments.output,
            "ignore_eos": True, "temperature": 0, "return_token_ids": True, **({"stream": True} if as_stream else {})}


# ---- Alone, and as many as there are places

async def single():
    """Times of requests one after the other; with a control, in turn with its own, and theirs as well."""
    ports = [arguments.port] + ([arguments.control] if arguments.control else [])
    connections, times = [await wire.Connection(port).open() for port in ports], [[] for _ in ports]
    for _ in range(arguments.single):
        for connection, own in zip(connections, times):
            answer = await connection.complete(request(False))
            own.append(answer.ended - answer.sent)
    for connection in connections:
        connection.hang_up()
    return times


async def capacity():
    """Requests per second of a closed loop, the times to the first token in it, the share of the processors that others
    took meanwhile, and the server's seconds on them for each request."""
    ends, firsts, begin, processors = [], [], time.perf_counter(), wire.Processors(arguments.pid)
    until = begin + arguments.capacity_seconds

    async def client(number):
        await asyncio.sleep(RAMP_SECONDS / 2 * number / arguments.clients)
        connection = await wire.Connection(arguments.port).open()
        while time.perf_counter() < until:
            answer = await connection.complete(request(True))
            if answer.status != 200 or not answer.is_done:
                raise SystemExit(f"FAIL overload: {answer.status} within the capacity")
            ends.append(answer.ended)
            firsts.append(answer.first_token_seconds())
        connection.hang_up()

    await asyncio.gather(*(client(number) for number in range(arguments.clients)))
    others, seconds = processors.taken()
    return rate(ends, begin + RAMP_SECONDS, until), firsts, others, seconds / len(ends)


def rate(ends, begin, end):
    return sum(begin <= when < end for when in ends) / (end - begin)


# ---- More than that

class Crowd:
    """Arrivals that do not wait for each other, over connections that are kept."""

    def __init__(self):
        self.idle, self.answers, self.lost = [], [], []

    async def one(self, as_stream):
        connection = self.idle.pop() if self.idle else wire.Connection(arguments.port)
        try:
            self.answers.append((as_stream, await asyncio.wait_for(connection.complete(request(as_stream)), TIMEOUT)))
            self.idle.append(connection)
        except (OSError, TimeoutError) as error:
            self.lost.append(repr(error))
            connection.hang_up()

    async def offer(self, per_second, seconds):
        """- Returns: when it began, and how far behind its own times it was at most."""
        begin, late, tasks = time.perf_counter(), 0, []
        due = begin
        while (due := due + rng.expovariate(per_second)) < begin + seconds:
            await asyncio.sleep(max(0, due - time.perf_counter()))
            late = max(late, time.perf_counter() - due)
            tasks.append(asyncio.create_task(self.one(rng.random() < 0.5)))
        await asyncio.gather(*tasks)
        for connection in self.idle:
            connection.hang_up()
        return begin, late


async def watch_memory(samples):
    while True:
        samples.append((time.perf_counter(), wire.memory_mib(arguments.pid)))
        await asyncio.sleep(0.5)


def kind(as_stream, answer):
    """What an answer is, and what is wrong with it."""
    if not answer.headers.get("x-request-id"):
        return "wrong", "no x-request-id"
    if answer.status == 200:
        expected = "text/event-stream" if as_stream else "application/json"
        if not answer.headers.get("content-type", "").startswith(expected):
            return "wrong", f"content type {answer.headers.get('content-type')}"
        if not as_stream:
            count = answer.json["usage"]["completion_tokens"]
            return ("answered", None) if count == arguments.output else ("wrong", f"{count} tokens")
        errors = [event["error"] for _, event in answer.events if "error" in event]
        if errors:
            return ("ended in its stream", None) if errors[0]["code"] == 503 else ("wrong", errors[0])
        return ("answered", None) if answer.is_done else ("wrong", "a stream without an end")
    if answer.status not in (429, 503):
        return "wrong", f"status {answer.status}: {answer.body[:200]}"
    retry, error = answer.headers.get("retry-after", ""), answer.json["error"]
    if not (retry.isdecimal() and 1 <= int(retry) <= 120):
        return "wrong", f"Retry-After {retry!r}"
    if set(error) != {"message", "type", "param", "code"} or not error["message"]:
        return "wrong", error
    return ("refused" if answer.status == 429 else "given up"), None


def tell(_, text):
    print(f"     overload: {text}", flush=True)


async def main():
    await single()
    before = await single()
    most, firsts, others, cost = await capacity()
    samples, crowd = [], Crowd()
    resting = wire.memory_mib(arguments.pid)
    watch = asyncio.create_task(watch_memory(samples))
    processors = wire.Processors(arguments.pid)
    begin, late = await crowd.offer(arguments.factor * most, arguments.seconds)
    others_beside, seconds_beside = processors.taken()
    watch.cancel()
    after = await single()
    # Once more, because a machine is not the same all the time.
    most_after, _, others_after, cost_after = await capacity()

    end = begin + arguments.seconds
    kinds, wrong = collections.Counter(), []
    for as_stream, answer in crowd.answers:
        what, problem = kind(as_stream, answer)
        kinds[what] += 1
        wrong += [problem] if problem else []
    number = len(crowd.answers) + len(crowd.lost)
    retries = [int(answer.headers["retry-after"]) for _, answer in crowd.answers if "retry-after" in answer.headers]
    bars(not wrong and not crowd.lost,
         f"{number} requests at {arguments.factor:g} times {most:.1f} a second for {arguments.seconds:g} s: "
         f"{', '.join(f'{count} {what}' for what, count in sorted(kinds.items()))}, {len(crowd.lost)} lost; Retry-After "
         f"{min(retries, default=0)} to {max(retries, default=0)} s {wrong[:3]} {crowd.lost[:3]}")
    bars(kinds["refused"] + kinds["given up"] + kinds["ended in its stream"] > number / 4 and late < 1,
         f"it was an overload, of which this client was at most {late:.2f} s late")
    good = [answer.ended for as_stream, answer in crowd.answers if kind(as_stream, answer)[0] == "answered"]
    goodput, mean = rate(good, begin + RAMP_SECONDS, end), (most + most_after) / 2
    judge = tell if arguments.no_time_bars else bars
    judge(goodput >= arguments.goodput_bar * mean, f"{goodput:.2f} answers a second of the {most:.2f} before and {most_after:.2f} afterwards that "
         f"{arguments.clients} clients in a closed loop get: {goodput / mean:.3f} of at least {arguments.goodput_bar}; other programs took "
         f"{100 * others:.0f} %, {100 * others_after:.0f} % and beside the overload {100 * others_beside:.0f} % of the "
         f"processors, the server {cost:.3f} s, {cost_after:.3f} s and {seconds_beside / max(len(good), 1):.3f} s for an answer")
    early, last = ([mib for when, mib in samples if low <= when < high] for low, high in (
        (begin + arguments.seconds / 6, begin + arguments.seconds / 3), (end - arguments.seconds / 6, end)))
    growth = wire.median(last) / wire.median(early) - 1
    bars(abs(growth) <= 0.05, f"memory {resting:.1f} MiB before, {wire.median(early):.1f} MiB after a sixth of the time, "
         f"{wire.median(last):.1f} MiB at its end: {100 * growth:+.1f} % of at most 5; most {max(m for _, m in samples):.1f}")
    waits = [answer.first_token_seconds() for as_stream, answer in crowd.answers
             if as_stream and kind(as_stream, answer)[0] == "answered"]
    bound = arguments.max_queue_seconds + wire.percentile(firsts, 0.99)
    bars(wire.percentile(waits, 0.99) <= bound,
         f"first token after {wire.median(waits):.2f} s, p99 {wire.percentile(waits, 0.99):.2f} s, of at most "
         f"{arguments.max_queue_seconds:g} s in the queue and {wire.percentile(firsts, 0.99):.2f} s, p99 within the capacity")
    refusals = [answer.ended - answer.sent for _, answer in crowd.answers if answer.status == 429]
    print(f"     overload: a refusal takes {1e3 * wire.median(refusals):.1f} ms, p99 "
          f"{1e3 * wire.percentile(refusals, 0.99):.1f} ms")
    ratio = wire.median(after[0]) / wire.median(before[0])
    alone = (f"one request alone took {1e3 * wire.median(before[0]):.0f} ms before, "
             f"{1e3 * wire.median(after[0]):.0f} ms at once afterwards: {ratio:.2f}")
    if arguments.control:
        tell(True, alone)
        pairs, pairs_after = (wire.median([a / b for a, b in zip(*times)]) for times in (before, after))
        ratio = pairs_after / pairs
        alone = (f"beside a server without overload, in turn, one request took {pairs:.2f} times as long before and "
                 f"{pairs_after:.2f} at once afterwards: {ratio:.2f}")
    judge(ratio <= arguments.latency_bar, f"{alone} of at most {arguments.latency_bar}")
    is_empty, seconds, state = await wire.emptied(arguments.port, 2)
    bars(is_empty, f"empty {seconds:.2f} s afterwards: {state}")
    return bars.exit_status


sys.exit(asyncio.run(main()))
