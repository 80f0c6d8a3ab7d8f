#!/usr/bin/env python3
"""τ from a case file of `foretoken bench --scenario speculation`: in all, by the length of the completions, and how
often a drafted node is right at each depth.

    Benchmarks/tau.py cases.jsonl [PROMPT_TOKENS]
"""
import json
import sys

LENGTHS = [(1, 8), (9, 24), (25, 63), (64, 10**9)]  # tokens emitted, the first one included


def main():
    cases = [json.loads(line) for line in open(sys.argv[1])]
    size = int(sys.argv[2]) if len(sys.argv) > 2 else cases[0]["promptTokenCount"]
    cases = [case for case in cases if case["promptTokenCount"] == size and case["tokenCount"] > 0]
    kinds = sorted({kind for case in cases for kind in case["profiles"] if kind != "plain"})
    print(f"{len(cases)} cases behind {size} tokens, {sum(c['tokenCount'] for c in cases)} tokens after the first")
    print("\n| completions of | cases | " + " | ".join(kinds) + " |\n" + "| --- " * (len(kinds) + 2) + "|")
    for first, last in LENGTHS:
        some = [case for case in cases if first <= case["tokenCount"] + 1 <= last]
        name = f"{first}-{last} tokens" if last < 10**9 else f"{first} tokens"
        row(name, some, kinds)
    row("all", cases, kinds)
    for kind in kinds:
        acceptance(kind, cases)


def row(name, cases, kinds):
    if cases:
        print(f"| {name} | {len(cases)} | " + " | ".join(f"{tau(cases, kind):.2f}" for kind in kinds) + " |")


def tau(cases, kind):
    profiles = [case["profiles"][kind] for case in cases]
    return sum(p["emitted"] for p in profiles) / max(1, sum(p["rounds"] for p in profiles))


def acceptance(kind, cases):
    """Rounds whose path reached each depth, as a share of all rounds."""
    profiles = [case["profiles"][kind] for case in cases]
    rounds = sum(p["rounds"] for p in profiles)
    depths = max(len(source) for p in profiles for source in p["accepted"])
    reached = [
        sum(source[depth] for p in profiles for source in p["accepted"] if depth < len(source)) for depth in range(depths)
    ]
    shares = " ".join(f"{100 * count / rounds:.0f}" for count in reached)
    print(f"\n{kind}: rounds that reach depth 1, 2, ... (%): {shares}")


main()
