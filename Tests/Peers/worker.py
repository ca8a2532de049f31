"""What the peers' workers have in common: the command line, and the rates as one line of JSON."""
import argparse
import json


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--streams", default="1,8,16,32")
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=2)
    return parser.parse_args()


def measure(options, prompt_rate, decode_rate):
    """Tokens a second of the prompt, and of each number of streams; a rate that is None is left out."""
    rates = {"prompt": prompt_rate()} if options.prompt else {}
    for streams in (int(s) for s in options.streams.split(",") if s):
        rates[str(streams)] = decode_rate(streams)
    print(json.dumps({name: rate for name, rate in rates.items() if rate is not None}))
