"""Who is served first: a request of high priority among 64 that wait starts in the next step; one of the lowest priority
ends in spite of a flow of others, overtaken no more often than the setting says; an account with few requests does not
wait behind all those of another.

    python3 priorities.py PORT [--running 4] [--max-overtakes 32] [--rounds 5]

The server runs `--running` sequences at once (`--max-running`).
"""
import argparse
import asyncio
import random
import sys
import time

import wire

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--running", type=int, default=4)
parser.add_argument("--max-overtakes", type=int, default=32)
parser.add_argument("--rounds", type=int, default=5)
arguments = parser.parse_args()
rng = random.Random(3)
bars = wire.Bars("priorities")
# Of a step that takes no time, with its way over the network.
NOISE_SECONDS = 0.03


# A prompt so short that beside next tokens one step takes it whole.
PROMPT_TOKENS = 8


def request(max_tokens, **fields):
    return {"prompt": [rng.randrange(3, 500) for _ in range(PROMPT_TOKENS)], "max_tokens": max_tokens, "ignore_eos": True,
            "stream": True, "temperature": 0, "return_token_ids": True, **fields}


async def begin(*arguments_of_request, **fields):
    connection = await wire.Connection(arguments.port).open()
    connection.begin("POST", "/v1/completions", request(*arguments_of_request, **fields))
    return connection


async def end(connection):
    answer = await asyncio.wait_for(connection.done, 120)
    if answer.status != 200 or not answer.is_done:
        raise SystemExit(f"FAIL priorities: {answer.status} {answer.body[-300:]}")
    connection.hang_up()
    return answer


def first_token(answer):
    return answer.sent + answer.first_token_seconds()


async def until(holds):
    deadline = time.perf_counter() + 30
    while not holds(state := await wire.load(arguments.port)):
        if time.perf_counter() > deadline:
            raise SystemExit(f"FAIL priorities: never came to pass, {state}")
        await asyncio.sleep(0.01)


async def urgent_round(waiting_count):
    """One of priority −1 comes to those that run and wait."""
    running = [await begin(300, priority=5) for _ in range(arguments.running)]
    await until(lambda state: state["running"] == arguments.running)
    waiting = [await begin(8, priority=5) for _ in range(waiting_count)]
    await until(lambda state: state["waiting"] >= waiting_count)
    urgent = await end(await begin(8, priority=-1))
    step = wire.median([after - before for connection in running
                        for before, after in zip(connection.answer.token_times(), connection.answer.token_times()[1:])])
    # The answers of those that run are needed no more.
    for connection in running:
        connection.hang_up()
    others = [await end(connection) for connection in waiting]
    overtaken = sum(urgent.sent < first_token(other) < first_token(urgent) for other in others)
    return urgent.first_token_seconds(), step, overtaken


async def urgent(waiting_count=64):
    rounds = [await urgent_round(waiting_count) for _ in range(arguments.rounds)]
    times, steps, counts = zip(*rounds)
    bound = 3 * wire.median(steps) + NOISE_SECONDS
    bars(wire.median(times) <= bound and max(counts) <= 1,
         f"first token of an urgent request among {waiting_count} waiting after {1e3 * wire.median(times):.1f} ms, of at most "
         f"{1e3 * bound:.1f}, where a step takes {1e3 * wire.median(steps):.1f}; at most {max(counts)} of them started before")


async def lowest_round():
    """One of priority 1000, and a flow of others that never ends."""
    flowing, others = True, []

    async def client():
        while flowing:
            others.append(await end(await begin(rng.randrange(8, 24), priority=0)))

    clients = [asyncio.create_task(client()) for _ in range(3 * arguments.running)]
    await until(lambda state: state["running"] == arguments.running and state["waiting"] >= arguments.running)
    lowest = await end(await begin(16, priority=1000))
    flowing = False
    await asyncio.gather(*clients)
    overtook = sum(other.sent > lowest.sent and first_token(other) < first_token(lowest) for other in others)
    return overtook, lowest.first_token_seconds()


async def lowest():
    rounds = [await lowest_round() for _ in range(arguments.rounds)]
    counts, times = zip(*rounds)
    # The last of them start in the same step, or were on their way.
    bound = arguments.max_overtakes + 2 * arguments.running
    bars(max(counts) <= bound, f"the lowest priority was overtaken {max(counts)} times, of at most "
         f"{arguments.max_overtakes} and {2 * arguments.running} that came or started with it; its first token came after "
         f"{max(times):.2f} s")


async def shares(flood_count=60, visits=8):
    """Anna asks for all at once, Ben one after the other."""
    flood = [await begin(rng.randrange(16, 32), user="anna") for _ in range(flood_count)]
    while sum(len(connection.answer.pieces) > 1 for connection in flood) < arguments.running:
        await asyncio.sleep(0.01)
    visitors = [await end(await begin(16, user="ben")) for _ in range(visits)]
    answers = [await end(connection) for connection in flood]
    ahead = [sum(visitor.sent < first_token(answer) < first_token(visitor) for answer in answers) for visitor in visitors]
    still = sum(first_token(answer) > visitors[-1].ended for answer in answers)
    bars(max(ahead) <= arguments.running + 1 and still > 0,
         f"beside an account with {flood_count} requests, {' '.join(map(str, ahead))} of these started before each of "
         f"another's, of at most {arguments.running + 1}; {still} of them still waited when its {visits} were done")


async def main():
    await urgent()
    await lowest()
    await shares()
    is_empty, _, state = await wire.emptied(arguments.port, 2)
    bars(is_empty, f"afterwards {state}")
    return bars.exit_status


sys.exit(asyncio.run(main()))
