"""Needletail beside llama.cpp (and OpenVINO GenAI): same shapes, same processor, in turns; prints a table.

    compare.py FOLDER                        # installs the peers into FOLDER/venv, makes models there, measures
    compare.py FOLDER --shapes qwen05,llama1b --types q8_0,q4_0 --rounds 5
    compare.py FOLDER --venv PATH            # peers that are installed already

Standard library only; the peers, NumPy and gguf come from PyPI into the virtual environment. llama.cpp is built for
this very processor, which takes a quarter of an hour on two cores. See README.md for what is compared.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ["numpy", "gguf", "llama-cpp-python"]
OPENVINO_PACKAGES = {
    "gguf": ["openvino-genai", "openvino-tokenizers"],
    "export": ["openvino-genai", "openvino-tokenizers", "optimum-intel[openvino]", "nncf"],
}
# The export of about the same bytes as a type.
OPENVINO_FORMATS = {"q8_0": "int8", "q4_0": "int4"}


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


class Peers:
    """The virtual environment, and the models that it makes."""

    def __init__(self, options):
        self.openvino = options.openvino
        self.models = os.path.join(options.folder, "models")
        os.makedirs(self.models, exist_ok=True)
        venv = options.venv or os.path.join(options.folder, "venv")
        self.python = os.path.join(venv, "bin", "python")
        if not os.path.exists(self.python):
            say(f"making {venv}")
            run([sys.executable, "-m", "venv", venv])
            for packages in [PACKAGES] + ([OPENVINO_PACKAGES[options.openvino]] if options.openvino else []):
                say(f"installing {' '.join(packages)}")
                run([self.python, "-m", "pip", "install", *packages])

    def script(self, name, *arguments):
        # -B: nothing is written beside the scripts.
        return [self.python, "-B", os.path.join(HERE, name), *map(str, arguments)]

    def model(self, shape, kind):
        """A GGUF file of an element type; an F16 one is quantised by llama.cpp."""
        path = os.path.join(self.models, f"{shape}.{kind}.gguf")
        if os.path.exists(path):
            return path
        say(f"making {os.path.basename(path)}")
        part = os.path.join(self.models, f"part-{shape}.{kind}.gguf")
        if kind in ("f16", "bf16"):
            run(self.script("speed_model.py", shape, part, "--type", kind))
        else:
            run(self.script("quantise.py", self.model(shape, "f16"), part, kind))
        os.replace(part, path)
        return path

    def openvino_model(self, shape, kind):
        """The GGUF file itself, or a directory as optimum exports it from a Hugging Face directory of the shape."""
        if self.openvino == "gguf":
            return self.model(shape, kind)
        form = OPENVINO_FORMATS[kind]
        path = os.path.join(self.models, f"{shape}.openvino-{form}")
        if os.path.exists(path):
            return path
        source = os.path.join(self.models, f"{shape}-hf")
        if not os.path.exists(source):
            run(self.script("speed_model.py", shape, source))
        say(f"exporting {os.path.basename(path)}")
        exporter = os.path.join(os.path.dirname(self.python), "optimum-cli")
        run([exporter, "export", "openvino", "-m", source, "--task", "text-generation-with-past", "--weight-format",
             form, path + ".part"])
        os.replace(path + ".part", path)
        return path


class Measurement:
    """Samples of tokens a second, by program and test."""

    def __init__(self):
        self.samples = {}
        self.bandwidth = []
        self.details = {}

    def add(self, program, rates):
        for test, rate in rates.items():
            self.samples.setdefault((program, test), []).append(rate)

    def median(self, program, test):
        found = self.samples.get((program, test))
        return statistics.median(found) if found else None


def ours(options, path):
    """One round of our bench: rates by test, and what it read and multiplied."""
    text = run([options.needletail, "bench", "engine", "--model", path, "-p", str(options.prompt), "-b",
                options.streams, "-n", str(options.steps), "--context-fill", str(options.context), "--threads",
                str(options.threads), "--repeat", "1", "--json"])
    document = json.loads(text)
    rates, details = {}, {}
    for result in document["results"]:
        test = "prompt" if result["test"] == "prompt" else str(result["streams"])
        rates[test] = result["tokens_per_second"]["p50"]
        details[test] = result
    return rates, details, document


def worker(name, options, peers, path):
    """One round of a peer: rates by test."""
    text = run(peers.script(name, path, "--prompt", options.prompt, "--streams", options.streams, "--context",
                            options.context, "--steps", options.steps, "--threads", options.threads))
    return json.loads(text.splitlines()[-1])


def bandwidth(options):
    document = json.loads(run([options.needletail, "bench", "machine", "--json", "--repeat", "1", "--threads",
                               str(options.threads)]))
    return document["samples"][0]["bandwidth"] / 1e9


def measure(options, peers, shape, kind):
    path = peers.model(shape, kind)
    exported = peers.openvino_model(shape, kind) if options.openvino and kind in OPENVINO_FORMATS else None
    found = Measurement()
    document = {}
    for number in range(options.rounds):
        say(f"{shape} {kind}: round {number + 1} of {options.rounds}")
        # Memory has a fast and a slow mode; each program is told the one it met.
        gauge = [bandwidth(options)]
        found.add("llama.cpp", worker("llama_worker.py", options, peers, path))
        gauge.append(bandwidth(options))
        rates, details, document = ours(options, path)
        found.add("needletail", rates)
        for test, detail in details.items():
            found.details.setdefault(test, []).append(detail)
        gauge.append(bandwidth(options))
        if exported:
            found.add("OpenVINO", worker("openvino_worker.py", options, peers, exported))
            gauge.append(bandwidth(options))
        found.bandwidth.append(gauge)
    return found, document


def number(value):
    if value is None:
        return "–"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def percent(values):
    known = [v for v in values if v is not None]
    return f"{100 * statistics.median(known):.0f} %" if known else "–"


def rows(options, shape, kind, found):
    tests = ["prompt"] + options.streams.split(",")
    programs = ["needletail", "llama.cpp"] + (["OpenVINO"] if options.openvino else [])
    for test in tests:
        if found.median("needletail", test) is None:
            continue
        name = {"prompt": f"prompt of {options.prompt}", "1": "1 stream"}.get(test, f"{test} streams")
        cells = [f"{shape} {kind.upper()}, {name}"]
        cells += [number(found.median(program, test)) for program in programs]
        mine = found.median("needletail", test)
        for program in programs[1:]:
            other = found.median(program, test)
            cells.append(f"{mine / other:.2f} ×" if other else "–")
        details = found.details[test]
        cells.append(percent([d["of_bandwidth"] for d in details]))
        cells.append(percent([d["of_peak"] for d in details]))
        around = [s[side]["bandwidth"] / 1e9 for d in details for s in d["samples"] for side in ("before", "after")]
        cells.append(f"{min(around):.0f}–{max(around):.0f}")
        yield cells


def table(options, results):
    peers = ["llama.cpp"] + (["OpenVINO"] if options.openvino else [])
    head = ["tokens a second", "needletail", *peers, *(f"÷ {p}" for p in peers), "of bandwidth", "of peak",
            "GB/s measured beside"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for shape, kind, found, _ in results:
        lines += ["| " + " | ".join(cells) + " |" for cells in rows(options, shape, kind, found)]
    return "\n".join(lines)


def report(options, peers, results):
    machine = results[0][3]["machine"]
    versions = run([peers.python, "-c", "import importlib.metadata as m\n"
                    "for p in ('llama-cpp-python', 'openvino-genai'):\n"
                    "    try: print(p, m.version(p))\n"
                    "    except m.PackageNotFoundError: pass"]).split("\n")
    gauge = [g for _, _, found, _ in results for round_ in found.bandwidth for g in round_]
    names = ", ".join(v for v in versions if v)
    print(f"{machine['date']}, {machine['processor']} ({machine['processors']} processors: "
          f"{' '.join(machine['features'])}), {options.threads} threads; needletail {machine['build']}, {names}. Medians "
          f"of {options.rounds} rounds in turns; prompts alone, streams at context {options.context}, {options.steps} "
          f"steps, greedy; memory {min(gauge):.0f}–{max(gauge):.0f} GB/s between the runs.\n")
    print(table(options, results))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="where the environment and the models go: up to 4 GB for each shape")
    parser.add_argument("--venv", help="an environment that has the peers")
    parser.add_argument("--needletail", default=os.path.join(HERE, "..", "..", ".build", "release", "needletail"))
    parser.add_argument("--shapes", default="qwen05", help="of tiny, smol135, qwen05, tiny11, llama1b")
    parser.add_argument("--types", default="q8_0,q4_0,q4_k_m,bf16")
    parser.add_argument("--streams", default="1,8,16,32")
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--openvino", choices=OPENVINO_PACKAGES, help="OpenVINO GenAI too, for q8_0 and q4_0: with the "
                        "GGUF file, or with int8 and int4 as optimum exports them")
    parser.add_argument("--json", help="a file for all samples")
    options = parser.parse_args()
    if not os.path.exists(options.needletail):
        raise SystemExit(f"no {options.needletail}: swift build -c release, or --needletail PATH")
    started = time.monotonic()
    peers = Peers(options)
    results = []
    for shape in options.shapes.split(","):
        for kind in options.types.split(","):
            found, document = measure(options, peers, shape, kind)
            results.append((shape, kind, found, document))
    report(options, peers, results)
    if options.json:
        document = [
            dict(shape=shape, type=kind, bandwidth=found.bandwidth, details=found.details,
                 samples=[dict(program=p, test=t, rates=rates) for (p, t), rates in found.samples.items()])
            for shape, kind, found, _ in results
        ]
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(document, f)
    say(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
