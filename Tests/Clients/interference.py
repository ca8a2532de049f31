"""What a long prompt does to those who already hear an answer: eight streams, then a prompt of 2,000 tokens beside them,
over and over. The 99th percentile of the time between two tokens stays under three times its quiet value, and the
prompt's time to its first token within one and a half times of its time alone, divided by the share of a step that
prompts have.

    python3 interference.py PORT [--rounds 6] [--length 2000] [--stretch 2] [--itl-bar 3] [--ttft-bar 1.5]
                            [--percentile 99]

Needs a model whose context holds the prompt (make_model.py). Every prompt is new and none is cached.
"""
import argparse
import asyncio
import random
import sys

import wire

STREAMS = 8
# Long enough that none ends while it is watched.
STREAM_TOKENS = 4000


def drawn(rng, count):
    return [rng.randrange(3, 500) for _ in range(count)]


def stream(prompt, max_tokens):
    return {"prompt": prompt, "max_tokens": max_tokens, "ignore_eos": True, "stream": True, "temperature": 0,
            "cache_prompt": False, "return_token_ids": True}


def gaps(answer, begin, end):
    """Times between two tokens, of those that came within a window."""
    times = [when for when, event in answer.events if event.get("choices") and event["choices"][0].get("token_ids")]
    return [after - before for before, after in zip(times, times[1:]) if begin <= before and after <= end]


async def round_of(port, rng, length, quiet_seconds):
    """The prompt's time alone and beside the streams; gaps of the streams while it was quiet and while it was not."""
    asker = await wire.Connection(port).open()
    alone = (await asker.complete(stream(drawn(rng, length), 1))).first_token_seconds()
    clients = [await wire.Connection(port).open() for _ in range(STREAMS)]
    for client in clients:
        client.begin("POST", "/v1/completions", stream(drawn(rng, 40), STREAM_TOKENS))
    while not all(len(client.answer.pieces) > 3 for client in clients):
        await asyncio.sleep(0.02)
    loop = asyncio.get_running_loop()
    # Quiet before and after, because every token takes longer than the one before.
    begin = loop.time()
    await asyncio.sleep(quiet_seconds)
    answer = await asker.complete(stream(drawn(rng, length), 1))
    during = answer.first_token_seconds()
    sent, heard = answer.sent, answer.ended
    await asyncio.sleep(quiet_seconds)
    end = loop.time()
    for client in clients:
        client.hang_up()
    asker.hang_up()
    found = [client.answer for client in clients]
    if any(answer.status != 200 or answer.ended for answer in found):
        raise SystemExit("FAIL interference: a stream ended early")
    quiet = [gap for answer in found for gap in gaps(answer, begin, sent) + gaps(answer, heard + 0.1, end)]
    busy = [gap for answer in found for gap in gaps(answer, sent, heard)]
    return alone, during, quiet, busy


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--length", type=int, default=2000)
    parser.add_argument("--stretch", type=float, default=2)
    parser.add_argument("--itl-bar", type=float, default=3)
    parser.add_argument("--ttft-bar", type=float, default=1.5)
    parser.add_argument("--percentile", type=int, default=99)
    parser.add_argument("--quiet-seconds", type=float, default=1.5)
    arguments = parser.parse_args()
    rng = random.Random(8)
    rounds = [await round_of(arguments.port, rng, arguments.length, arguments.quiet_seconds)
              for _ in range(arguments.rounds)]
    alone, during = (wire.median([each[place] for each in rounds]) for place in (0, 1))
    quiet, busy = ([gap for each in rounds for gap in each[place]] for place in (2, 3))
    bars = wire.Bars("interference")
    before, after = (wire.percentile(each, arguments.percentile / 100) for each in (quiet, busy))
    share = 1 - 1 / arguments.stretch
    measured = 1 - sum(quiet) / len(quiet) / (sum(busy) / len(busy))
    bars(after < arguments.itl_bar * before,
         f"p{arguments.percentile} between two tokens of {STREAMS} streams {1e3 * before:.1f} ms quiet, {1e3 * after:.1f} ms beside a prompt of "
         f"{arguments.length}: {after / before:.2f} of at most {arguments.itl_bar}; medians {1e3 * wire.median(quiet):.1f} "
         f"and {1e3 * wire.median(busy):.1f} ms, longest {1e3 * max(quiet):.1f} and {1e3 * max(busy):.1f} ms; "
         f"{len(quiet)} and {len(busy)} gaps")
    bound = arguments.ttft_bar * alone / share
    bars(during <= bound,
         f"first token of the prompt after {alone:.2f} s alone, {during:.2f} s beside them: {during / alone * share:.2f} of "
         f"at most {arguments.ttft_bar} times its time alone over its share of {share:.2f} ({measured:.2f} as measured); "
         f"alone {' '.join(f'{each[0]:.2f}' for each in rounds)}, beside {' '.join(f'{each[1]:.2f}' for each in rounds)}")
    return bars.exit_status


sys.exit(asyncio.run(main()))
