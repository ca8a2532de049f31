"""2,000 clients that hang up at random moments, streamed and not, wherever their answer is by then: before it is
computed, in its head, in its body. A second later nothing runs, nothing waits, every block is free, and a request is
answered as before.

    python3 hang_ups.py PORT [--clients 2000] [--wave 200]
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
parser.add_argument("--clients", type=int, default=2000)
parser.add_argument("--wave", type=int, default=200)
arguments = parser.parse_args()
rng = random.Random(6)
bars = wire.Bars("hang-ups")
PROBE = {"prompt": "Once upon a time", "max_tokens": 40, "seed": 11, "temperature": 0.8, "return_token_ids": True,
         "logprobs": 2}
MODES = [{}, {"temperature": 0}, {"n": 3}, {"num_beams": 4}, {"penalty_alpha": 0.6, "top_k": 4}, {"stop": ["xyz"]},
         {"logprobs": 2, "echo": True}]


def request():
    shared = "Once upon a time there was a little cat. " * rng.randrange(4)
    return {"prompt": shared + " ".join(rng.choice(["Lily", "had", "a", "red", "ball"]) for _ in range(rng.randrange(30))) + ".",
            "max_tokens": rng.randrange(1, 200), "ignore_eos": True, "seed": rng.randrange(1 << 30),
            "stream": rng.random() < 0.6, "priority": rng.randrange(3), "user": rng.choice(["anna", "ben"]),
            **rng.choice(MODES)}


class Quitter(wire.Connection):
    """Hangs up after so many bytes of an answer, if there are so many."""

    def __init__(self, port, byte_count):
        super().__init__(port)
        self.left = byte_count

    def data_received(self, data):
        self.left -= len(data)
        if self.left <= 0:
            return self.hang_up()
        super().data_received(data)


async def client():
    """- Returns: how far it came."""
    how = rng.choice(["within the request", "after a time", "after some bytes"])
    quitter = await Quitter(arguments.port, rng.choice([1, 50, 150, 400, 1000, 3000]) if "bytes" in how else 1 << 60).open()
    if how == "within the request":
        quitter.transport.write(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                                b"Content-Length: 100\r\n\r\n{\"prompt\": \"Once"[:rng.randrange(1, 110)])
        await asyncio.sleep(rng.uniform(0, 0.05))
    else:
        done = quitter.begin("POST", "/v1/completions", request())
        try:
            await asyncio.wait_for(done, rng.uniform(0, 1) if how == "after a time" else 30)
            how = "not at all"
        except TimeoutError:
            pass
        except ConnectionResetError:
            how = how if quitter.left <= 0 else "lost"
    quitter.hang_up()
    return how


async def main():
    port, start = arguments.port, time.perf_counter()
    expected = (await wire.call(port, "POST", "/v1/completions", PROBE)).json["choices"]
    tally, left, slowest = collections.Counter(), arguments.clients, 0
    while left > 0:
        count = min(arguments.wave, left)
        left -= count
        tally.update(await asyncio.gather(*(client() for _ in range(count))))
    last = [await wire.Connection(port).open() for _ in range(arguments.wave)]
    for connection in last:
        connection.begin("POST", "/v1/completions", request())
    await asyncio.sleep(0.3)
    state_then = await wire.load(port)
    for connection in last:
        connection.hang_up()
    is_empty, seconds, state = await wire.emptied(port, 10)
    bars(is_empty and seconds <= 1, f"{arguments.clients} clients hung up in {time.perf_counter() - start:.1f} s, "
         f"{arguments.wave} at once ({', '.join(f'{count} {how}' for how, count in sorted(tally.items()))}); "
         f"then {arguments.wave} more at one moment, when {state_then['running']} ran and {state_then['waiting']} waited: empty after {seconds:.2f} s: {state}")
    bars(tally["lost"] == 0, f"{tally['lost']} connections were lost that had not hung up")
    found = (await wire.call(port, "POST", "/v1/completions", PROBE)).json["choices"]
    bars(found == expected, "a request is answered as before")
    return bars.exit_status


sys.exit(asyncio.run(main()))
