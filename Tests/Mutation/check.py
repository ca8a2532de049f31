#!/usr/bin/env python3
"""Plants the bugs of mutants.py one at a time in a copy of Sources; the simulator is to find each.

    python3 Tests/Mutation/check.py [--seeds 1000] [--steps 300] [--only TEXT] [--sources DIR]

Prints a table; exits with 1 where a bug is not found, and where the unchanged sources fail. Needs Swift and the
packages that the project needs; works in a temporary folder.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from mutants import MUTANTS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGETS = ["Engine", "Transformer", "Sampling", "Tokenization", "Checkpoints", "Kernels", "CKernels", "InferenceTypes"]
# Optimised without optimising the whole module at once, so that one file is built anew; asserts off, so that the
# simulator finds what it finds by itself.
PACKAGE = """// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"), .enableUpcomingFeature("ExistentialAny"),
    .unsafeFlags(["-O", "-assert-config", "Release"]),
]

let package = Package(
    name: "mutation",
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .executableTarget(
            name: "Simulate", dependencies: ["Engine", "Tokenization", "Checkpoints", "InferenceTypes"],
            swiftSettings: settings),
        .target(
            name: "Engine",
            dependencies: [
                "Transformer", "Sampling", "Tokenization", "InferenceTypes",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: settings),
        .target(
            name: "Transformer", dependencies: ["Kernels", "Checkpoints", "InferenceTypes"], swiftSettings: settings),
        .target(name: "Sampling", dependencies: ["InferenceTypes"], swiftSettings: settings),
        .target(name: "Tokenization", dependencies: ["Checkpoints", "InferenceTypes"], swiftSettings: settings),
        .target(name: "Checkpoints", dependencies: ["InferenceTypes"], swiftSettings: settings),
        .target(name: "Kernels", dependencies: ["CKernels", "InferenceTypes"], swiftSettings: settings),
        .target(name: "CKernels", cSettings: [.unsafeFlags(["-O2", "-std=c2x", "-ffp-contract=off"])]),
        .target(name: "InferenceTypes", swiftSettings: settings),
    ]
)
"""


def set_up(folder, sources):
    (folder / "Package.swift").write_text(PACKAGE)
    for target in TARGETS:
        shutil.copytree(sources / target, folder / "Sources" / target)
    shutil.copytree(HERE / "Simulate", folder / "Sources" / "Simulate")


def build(folder):
    command = ["swift", "build", "--product", "Simulate", "--package-path", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        errors = [line for line in (result.stdout + result.stderr).splitlines() if "error:" in line]
        raise SystemExit("the build failed:\n" + "\n".join(errors[:8]))


def simulate(folder, seeds, steps, limit):
    """The seed that fails and how, or None where all pass."""
    command = [str(folder / ".build/debug/Simulate"), "0", str(seeds), str(steps)]
    environment = os.environ | {"SWIFT_BACKTRACE": "enable=no"}
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=limit)
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"").decode(errors="replace")
        return last_seed(said), "stands still"
    if result.returncode == 0:
        return None
    lines = result.stdout.splitlines()
    if result.returncode == 1 and lines:
        return last_seed(result.stdout), lines[-1]
    reasons = [line for line in result.stderr.splitlines() if "rror:" in line]
    return last_seed(result.stdout), "trap: " + (reasons[0].split("rror:")[-1].strip() if reasons else "")


def last_seed(text):
    seeds = [line.split()[1] for line in text.splitlines() if line.startswith("seed ")]
    return seeds[-1] if seeds else "?"


def check_place(path, old):
    count = path.read_text().count(old)
    if count != 1:
        raise SystemExit(f"{path.name}: the text stands there {count} times, expected once:\n{old}")


def plant(path, old, new):
    text = path.read_text()
    path.write_text(text.replace(old, new))
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--only", help="bugs whose name has this text")
    parser.add_argument("--sources", type=pathlib.Path, default=ROOT / "Sources")
    options = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if not options.only or options.only in mutant[0]]
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = pathlib.Path(name)
        set_up(folder, options.sources)
        for _, file, old, _ in mutants:
            check_place(folder / "Sources/Engine" / file, old)
        build(folder)
        started = time.monotonic()
        failure = simulate(folder, options.seeds, options.steps, None)
        if failure:
            raise SystemExit(f"the unchanged sources fail at seed {failure[0]}: {failure[1]}")
        # A bug that makes a seed run for ever is found, too.
        limit = 120 + 10 * (time.monotonic() - started)
        print("| bug | seed | found by |\n| --- | ---: | --- |", flush=True)
        missed = sum(not found(folder, mutant, options, limit) for mutant in mutants)
    print(f"\n{len(mutants) - missed} of {len(mutants)} found within {options.seeds} seeds of {options.steps} steps")
    sys.exit(1 if missed else 0)


def found(folder, mutant, options, limit):
    name, file, old, new = mutant
    path = folder / "Sources/Engine" / file
    original = plant(path, old, new)
    try:
        build(folder)
        failure = simulate(folder, options.seeds, options.steps, limit)
    finally:
        path.write_text(original)
    seed, how = failure or ("–", "NOT FOUND")
    print(f"| {name} | {seed} | {how} |", flush=True)
    return failure is not None


if __name__ == "__main__":
    main()
