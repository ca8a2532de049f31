"""One row, one answer: 500 random requests of every mode, many with long beginnings in common, each alone on a server that
caches nothing; then all at once, in random order, half of those that can as streams, with hang-ups and cancels among
them, on servers that differ in everything that may not matter. Text, tokens, logprobs, endings, scores and usage must be
equal, but for how much of a prompt came from the cache.

    python3 one_answer.py BINARY [--count 500] [--quick | --full] [--only WORDS] [--model PATH] [--seed 57]

Of cache, chunk size, memory and threads every three meet on some server; with --full, all four. WORDS are a part of a
server's name as it is printed.
"""
import argparse
import asyncio
import itertools
import sys
import time

import every_mode
import wire

SMALL_CACHE_MIB = 2
# More than ever wait; the crowd comes at once and may take its time.
PATIENCE = ["--max-waiting", 65536, "--max-waiting-tokens", 1 << 30, "--max-queue-seconds", 0]
TIMEOUT = 240


def matrix(is_full):
    """What each server is called, and its options."""
    settings = (("on", "off"), (1, 7, 64, 512), ("ample", "small"), (1, 2))
    for places in itertools.product(*(range(len(each)) for each in settings)):
        if is_full or sum(places) % 2 == 1:
            yield server(*(each[place] for each, place in zip(settings, places)))
    # Blocks that no chunk and no context is a multiple of. Keys and values of 16 bits come in blocks of 16.
    yield server("on", 64, "small", 2, "--block-size", 48)
    yield server("on", 512, "ample", 1, "--block-size", 80)


def sample():
    yield server("on", 64, "small", 2)
    yield server("off", 7, "small", 1)
    yield server("on", 1, "ample", 2)
    yield server("on", 512, "ample", 1, "--block-size", 48)


def server(cache, chunk, memory, threads, *more):
    options = ["--max-batch-tokens", chunk, "--threads", threads, *PATIENCE, *more]
    options += ["--no-prefix-cache"] if cache == "off" else []
    options += ["--kv-cache-mib", SMALL_CACHE_MIB] if memory == "small" else []
    return f"cache {cache}, chunk {chunk}, {memory} memory, {threads} threads {' '.join(map(str, more))}".strip(), options


# ---- Requests

class CrowdMaker(every_mode.RequestMaker):
    """Adds what shows beside others only: common beginnings, priorities, accounts, salts."""

    def __init__(self, *arguments, **others):
        super().__init__(*arguments, **others)
        self.beginnings = [[self.token() for _ in range(self.rng.randrange(40, 250))] for _ in range(3)]
        self.texts = [" ".join(self.rng.choice(every_mode.OPENINGS) for _ in range(self.rng.randrange(10, 40)))
                      for _ in range(3)]

    def begun(self, prompt, place):
        if isinstance(prompt, str):
            return f"{self.texts[place]} {prompt}"
        if all(isinstance(item, int) for item in prompt):
            return self.beginnings[place] + prompt
        return [self.begun(each, place) for each in prompt]

    def request(self, mode):
        rng, fields = self.rng, super().request(mode)
        if self.chance(0.5):
            fields["prompt"] = self.begun(fields["prompt"], rng.randrange(3))
        if self.chance(0.3):
            fields |= {"max_tokens": rng.randrange(30, 120), "ignore_eos": True}
        fields |= self.some({
            "priority": lambda: rng.choice([-(1 << 62), -3, -1, 0, 1, 7, 1 << 62]),
            "user": lambda: rng.choice(["anna", "ben", "\u00e9t\u00e9"]),
            "cache_salt": lambda: rng.choice(["x", "y"]),
        }, 0.4)
        if self.chance(0.2):
            fields["cache_prompt"] = rng.choice([True, False])
            if not fields["cache_prompt"]:
                fields.pop("cache_salt", None)
        return fields


def width(fields):
    """Sequences that run together, at least."""
    beams = fields.get("num_beams", 1)
    compared = fields["top_k"] if "penalty_alpha" in fields else 1
    return max(beams, compared)


# ---- Clients

async def answered(port, fields, as_stream):
    connection = await wire.Connection(port).open()
    try:
        body = every_mode.as_stream(fields) if as_stream else fields
        answer = await asyncio.wait_for(connection.complete(body), TIMEOUT)
    finally:
        connection.hang_up()
    if answer.status != 200:
        return {"status": answer.status, "body": answer.body.decode()[:500]}, None
    if as_stream:
        choices, usage, _ = every_mode.streamed_answer(answer.status, answer.body)
    else:
        choices, usage = every_mode.plain_answer(answer.status, answer.body)
    return choices, every_mode.without_cached_count(usage)


async def safely(port, fields, as_stream):
    try:
        return await answered(port, fields, as_stream)
    except Exception as error:
        return {"error": repr(error)[:1000]}, None


async def quitter(port, fields, delay):
    """Hangs up after a while, wherever the answer is by then."""
    try:
        connection = await wire.Connection(port).open()
        connection.begin("POST", "/v1/completions", fields)
        await asyncio.sleep(delay)
        connection.hang_up()
    except OSError as error:
        return repr(error)


async def cancelled(port, fields, delay, name):
    """Cancels by id after a while: the answer ends well, or had ended."""
    async def later():
        await asyncio.sleep(delay)
        return (await wire.call(port, "POST", f"/v1/completions/{name}/cancel")).status

    try:
        answer, status = await asyncio.wait_for(asyncio.gather(
            wire.call(port, "POST", "/v1/completions", {**fields, "request_id": name}), later()), TIMEOUT)
    except (OSError, TimeoutError) as error:
        return repr(error)
    if answer.status not in (200, 400) or status not in (200, 404):
        return f"the answer of a cancelled request was {answer.status}, that of the cancel {status}"
    return None


# ---- Runs

async def alone(port, requests):
    return [await safely(port, fields, False) for fields in requests]


async def crowd(port, requests, maker):
    """The answers of all at once, in the order of the requests, and what was wrong with those that were cancelled."""
    rng = maker.rng
    streams = [every_mode.can_stream(fields) and rng.random() < 0.5 for fields in requests]
    jobs = [("answer", index) for index in range(len(requests))]
    jobs += [("quitter", rng.randrange(len(requests))) for _ in range(len(requests) // 5)]
    jobs += [("cancelled", rng.randrange(len(requests))) for _ in range(len(requests) // 5)]
    rng.shuffle(jobs)
    tasks = {}
    for number, (kind, index) in enumerate(jobs):
        fields, delay = requests[index], rng.uniform(0, 2)
        if kind == "answer":
            task = safely(port, fields, streams[index])
        elif kind == "quitter":
            task = quitter(port, {**fields, "stream": every_mode.can_stream(fields) and rng.random() < 0.5}, delay)
        else:
            task = cancelled(port, fields, delay, f"cancelled-{number}")
        tasks[number, kind, index] = asyncio.create_task(task)
        # So many handshakes at once as any backlog takes.
        if number % 50 == 49:
            await asyncio.sleep(0.01)
    answers, wrong = [None] * len(requests), []
    for (_, kind, index), task in tasks.items():
        found = await task
        if kind == "answer":
            answers[index] = found
        elif found is not None:
            wrong.append(found)
    return answers, wrong


async def check(name, options, binary, reference, kinds, requests, maker):
    """One server of the matrix: whether it held, and a line about it."""
    start, problems, refused = time.monotonic(), [], 0
    with wire.Server(binary, *options) as server:
        answers, wrong = await crowd(server.port, requests, maker)
        problems += [("cancelled", "", text, {}) for text in wrong]
        limit = options[options.index("--max-batch-tokens") + 1]
        for index, (expected, found) in enumerate(zip(reference, answers)):
            if found[1] is None and found[0].get("status") == 400:
                refused += 1
                # Only what is too wide for the step or too large for the memory, and alone as well as in the crowd.
                if width(requests[index]) <= min(limit, 64) and "small" not in name:
                    problems.append((kinds[index], "refused", found[0], requests[index]))
                elif (again := await safely(server.port, requests[index], False))[0].get("status") != 400:
                    problems.append((kinds[index], "refused in the crowd alone", again, requests[index]))
                continue
            for part, one, other in zip(("choices", "usage"), expected, found):
                if (place := every_mode.difference(one, other)) is not None:
                    problems.append((kinds[index], part, place, requests[index]))
                    break
        if server.process.poll() is not None:
            print("FAIL", name, "ended:", server.last_words(), flush=True)
            return len(requests), len(requests)
        is_empty, _, state = await wire.emptied(server.port, 5)
        if not is_empty:
            problems.append(("afterwards", "left behind", state, {}))
        if "small" in name and limit >= 64 and state.get("preemptions") == 0:
            problems.append(("afterwards", "nobody was preempted", state, {}))
        if "cache on" in name and state.get("cached_prompt_tokens") == 0:
            problems.append(("afterwards", "nothing came from the cache", state, {}))
    for problem in problems[:3]:
        print("FAIL", name, *problem)
    figures = ", ".join(f"{state[key]} {text}" for key, text in (
        ("preemptions", "preemptions"), ("cached_prompt_tokens", "tokens from the cache")) if key in state)
    print(f"{'FAIL' if problems else 'ok  '} {name}: {len(requests) - refused} compared, {len(problems)} wrong, {refused} "
          f"too large for it; {figures}; {time.monotonic() - start:.1f} s", flush=True)
    return len(requests) - refused, len(problems)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--count", type=int)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--model")
    parser.add_argument("--seed", type=int, default=57)
    arguments = parser.parse_args()
    count = arguments.count or (60 if arguments.quick else 500)
    model = ["--model", arguments.model] if arguments.model else []
    start = time.monotonic()
    with wire.Server(arguments.binary, *model, "--no-prefix-cache", "--threads", 1) as server:
        information = (await wire.call(server.port, "GET", "/tokenizer_info")).json
        maker = CrowdMaker(arguments.seed, information["vocab_size"], starts_empty=bool(information["bos_token"]))
        kinds, requests = maker.requests(count)
        reference = await alone(server.port, requests)
    unanswered = [(fields, answer) for fields, answer in zip(requests, reference) if answer[1] is None]
    for fields, answer in unanswered[:3]:
        print("FAIL alone:", fields, answer)
    print(f"alone: {count} requests, {time.monotonic() - start:.1f} s", flush=True)
    compared, wrong, servers = 0, len(unanswered), 0
    for name, options in sample() if arguments.quick else matrix(arguments.full):
        if arguments.only not in name:
            continue
        more, problems = await check(name, model + options, arguments.binary, reference, kinds, requests, maker)
        compared, wrong, servers = compared + more, wrong + problems, servers + 1
    print(f"one answer: {count} requests on {servers} servers, {compared} answers compared, {wrong} wrong; "
          f"{time.monotonic() - start:.0f} s")
    return 1 if wrong else 0


sys.exit(asyncio.run(main()))
