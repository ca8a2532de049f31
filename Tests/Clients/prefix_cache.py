"""The prefix cache as a client sees it: a prompt of which nine tenths were asked before has its first token in at most a
fifth of the time; the count of cached tokens is right; another salt finds nothing, and cannot tell by the time that
there was something; one tenant's flood of new prompts does not wear out what another comes back for.

    python3 prefix_cache.py PORT [--length 2000] [--pairs 15] [--salt-pairs 50] [--flood-rounds 6]
                            [--p-bar 0.01] [--block-size 16]

Best with a model of some size (make_model.py) and a cache of a few thousand tokens, so that the flood goes round it.
"""
import argparse
import asyncio
import random
import sys

import wire

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--length", type=int, default=2000)
parser.add_argument("--pairs", type=int, default=15)
parser.add_argument("--salt-pairs", type=int, default=50)
parser.add_argument("--flood-rounds", type=int, default=6)
parser.add_argument("--p-bar", type=float, default=0.01)
parser.add_argument("--block-size", type=int, default=16)
arguments = parser.parse_args()
rng = random.Random(12)
bars = wire.Bars("prefix cache")


def drawn(count):
    return [rng.randrange(3, 500) for _ in range(count)]


async def asked(connection, prompt, **others):
    """Seconds to the first token, and tokens from the cache."""
    answer = await connection.complete({
        "prompt": prompt, "max_tokens": 1, "ignore_eos": True, "stream": True, "temperature": 0, "return_token_ids": True,
        "stream_options": {"include_usage": True}, **others})
    if answer.status != 200:
        raise SystemExit(f"FAIL prefix cache: {answer.status} {answer.body[:300]}")
    usage = answer.events[-1][1]["usage"]
    return answer.first_token_seconds(), usage["prompt_tokens_details"]["cached_tokens"]


def whole_blocks(count):
    return count // arguments.block_size * arguments.block_size


async def shared_prefix(connection, length):
    """Pairs of a new prompt and one that shares nine tenths of it."""
    cold, warm, wrong = [], [], []
    prefix_length = length * 9 // 10
    for _ in range(arguments.pairs):
        prefix = drawn(prefix_length)
        seconds, count = await asked(connection, prefix + drawn(length - prefix_length))
        cold.append(seconds)
        wrong += [count] if count != 0 else []
        seconds, count = await asked(connection, prefix + drawn(length - prefix_length))
        warm.append(seconds)
        wrong += [count] if count != whole_blocks(prefix_length) else []
    ratio = wire.median(warm) / wire.median(cold)
    bars(ratio <= 0.2, f"first token of {length} tokens after {1e3 * wire.median(cold):.1f} ms, after "
         f"{1e3 * wire.median(warm):.1f} ms where {prefix_length} were asked before: {ratio:.3f} of at most 0.2, "
         f"{arguments.pairs} pairs")
    bars(not wrong, f"cached tokens 0 and {whole_blocks(prefix_length)}, {2 * arguments.pairs - len(wrong)} times of "
         f"{2 * arguments.pairs} {wrong[:5]}")


async def repeated(connection, length):
    """The same prompt again: all of it but what is needed to go on."""
    wrong = []
    for size in sorted({1, 2, arguments.block_size - 1, arguments.block_size, arguments.block_size + 1,
                        2 * arguments.block_size, length}):
        prompt = drawn(max(size, 1))
        counts = [(await asked(connection, prompt))[1] for _ in range(2)]
        # The last token is computed anew at least; a block that ends the prompt may be given whole or not at all.
        expected = (whole_blocks(len(prompt) - 1), len(prompt) - 1)
        if counts[0] != 0 or not expected[0] <= counts[1] <= expected[1]:
            wrong.append((len(prompt), counts))
    bars(not wrong, f"a prompt asked twice is cached but for its end {wrong}")
    # Little enough that there is room for all of it beside what is there.
    length = min(length, (await cache_tokens()) // 16)
    prompt = drawn(length)
    await asked(connection, prompt)
    counts = [(await asked(connection, prompt, **fields))[1] for fields in ({"cache_prompt": False}, {}, {"cache_salt": "z"})]
    bars(counts[0] == 0 and counts[1] > 0 and counts[2] == 0, f"cache_prompt false finds nothing and takes nothing away {counts}")
    prompt = drawn(length)
    await asked(connection, prompt, cache_prompt=False)
    count = (await asked(connection, prompt))[1]
    bars(count == 0, f"cache_prompt false leaves nothing behind ({count} found)")


async def salts(connection, length):
    """What another salt sees of a prompt that is in the cache, and of one that is not."""
    known, unknown, wrong = [], [], 0
    for _ in range(arguments.salt_pairs):
        prompt, other = drawn(length), drawn(length)
        await asked(connection, prompt, cache_salt="ours")
        pair = [(known, prompt), (unknown, other)]
        rng.shuffle(pair)
        for times, tokens in pair:
            seconds, count = await asked(connection, tokens, cache_salt="theirs")
            times.append(seconds)
            wrong += count != 0
    p = wire.rank_test(known, unknown)
    bars(p > arguments.p_bar and not wrong,
         f"another salt finds nothing ({wrong} found), and its times do not tell: p = {p:.3f} of at least {arguments.p_bar}, medians "
         f"{1e3 * wire.median(known):.2f} and {1e3 * wire.median(unknown):.2f} ms, n = {len(known)}")


async def cache_tokens():
    return (await wire.load(arguments.port))["total_kv_blocks"] * arguments.block_size


async def flood(connection, label, times_each, must_hit):
    """A hot prefix that comes back after so many new tokens as the cache holds, and half as many again."""
    pool = await cache_tokens()
    prefix, size, hit, total = drawn(pool // 8), pool // 8, 0, 0
    for _ in range(2):
        await asked(connection, prefix + drawn(20), user="anna", cache_salt="anna")
    for _ in range(arguments.flood_rounds):
        for _ in range(12):
            prompt = drawn(size)
            for _ in range(times_each):
                await asked(connection, prompt, user="ben", cache_salt="ben")
        _, count = await asked(connection, prefix + drawn(20), user="anna", cache_salt="anna")
        hit, total = hit + count, total + whole_blocks(len(prefix))
    text = (f"{label}: {hit / total:.2f} of a tenant's prefix of {len(prefix)} tokens is found again in a cache of {pool}, "
            f"{arguments.flood_rounds} times after {size * 12} tokens of another's")
    if must_hit:
        bars(hit >= total / 2, text)
    else:
        print(f"     prefix cache: {text}", flush=True)


async def main():
    connection = await wire.Connection(arguments.port).open()
    context = (await connection.call("GET", "/v1/models")).json["data"][0]["max_model_len"]
    length = min(arguments.length, context - 8)
    await asked(connection, drawn(length))
    await shared_prefix(connection, length)
    await repeated(connection, length // 2)
    await salts(connection, length // 4)
    await flood(connection, "a flood of new prompts", 1, True)
    await flood(connection, "a flood of prompts that come twice, to which nothing is promised", 2, False)
    is_empty, _, state = await wire.emptied(arguments.port, 2)
    bars(is_empty, f"afterwards {state}")
    return bars.exit_status


sys.exit(asyncio.run(main()))
