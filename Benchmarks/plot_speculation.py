#!/usr/bin/env python3
"""docs/images/speculation.svg from the JSON of `Benchmarks/speculation.sh`: what rows cost, what speculation
gives, and how often each source is right. Prints the tables of docs/SPECULATION.md.

    pip install matplotlib
    Benchmarks/plot_speculation.py speculation.json docs/images/speculation.svg
"""
import json
import re
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

matplotlib.rcParams.update(
    {"svg.hashsalt": "foretoken", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
COLOURS = ["#4269d0", "#efb118", "#3ca951", "#9498a0"]
KINDS = [("longspec", "LongSpec alone"), ("lookup", "lookup alone"), ("all", "all sources")]


def main():
    results = {entry["name"]: entry for entry in json.load(open(sys.argv[1]))["results"]}
    depths = sorted({int(name.split("@")[1]) for name in results if name.startswith("plain_rate@")})
    figure, (costs, gains, acceptance) = pyplot.subplots(1, 3, figsize=(10, 3.1), layout="constrained")
    draw_costs(costs, results, depths)
    draw_gains(gains, results, depths)
    draw_acceptance(acceptance, results, depths)
    figure.savefig(sys.argv[2], metadata={"Date": None})
    print_tables(results, depths)


def print_tables(results, depths):
    def value(name, depth):
        entry = results.get(f"{name}@{depth}")
        return f"{entry['median']:.3g}" if entry else ""

    print("| prompt tokens | " + " | ".join(f"{depth:,}" for depth in depths) + " |")
    print("| --- |" + " --- |" * len(depths))
    rows = [("plain, tokens/s", "plain_rate")]
    for kind, label in KINDS:
        for name, mean in [("all texts together", "speedup_together"), ("texts' mean", "speedup_geometric_mean")]:
            if f"{kind}_{mean}@{depths[0]}" not in results:  # a file of an earlier version
                continue
            gains = [results[f"{kind}_{mean}@{depth}"] for depth in depths]
            cells = [f"**{g['median']:.2f}** ({g['p5']:.2f}–{g['p95']:.2f})" for g in gains]
            print(f"| {label}: speed-up, {name} (95 %) | " + " | ".join(cells) + " |")
        rows += [
            (f"{label}: worst case", f"{kind}_speedup_worst_case"), (f"{label}: τ", f"{kind}_tau"),
            (f"{label}: relative cost of a round", f"{kind}_relative_cost"),
            (f"{label}: efficiency", f"{kind}_efficiency"), (f"{label}: tokens/s", f"{kind}_rate"),
            (f"{label}: passes in rounds", f"{kind}_passes_in_rounds"),
        ]
        for share in ("draft", "target_attention", "target_linear", "verification"):
            rows.append((f"{label}: time in {share.replace('_', ' ')}, %", f"{kind}_share_{share}"))
        for source in ("longspec", "prompt_lookup"):
            rows.append((f"{label}: tokens from {source}, %", f"{kind}_{source}_share_of_tokens"))
    rows += [
        ("best fixed shape, tokens/s", "best_fixed_shape_rate"),
        ("its draft levels", "best_fixed_shape_levels"), ("its nodes", "best_fixed_shape_nodes"),
        ("policy by the same costs, tokens/s", "policy_rate"), ("policy ÷ best fixed shape", "policy_to_best_fixed_shape"),
        ("bound: perfect acceptance", "bound_perfect_acceptance"), ("pass of one row, ms", "pass_of_1_row"),
        ("a plain round, passes", "plain_round"),
    ]
    rows += [(f"pass of {count} rows, passes", f"pass_of_{count}_rows") for count in (2, 4, 8, 16, 32)]
    for count in (1, 4, 16):
        rows.append((f"draft level of {count}, passes", f"draft_level_of_{count}"))
        rows.append(("the same with the whole LM head", f"draft_level_of_{count}_full_head"))
    for label, name in rows:
        cells = [value(name, depth) for depth in depths]
        if any(cells):
            print(f"| {label} | " + " | ".join(cells) + " |")


def draw_costs(axes, results, depths):
    for colour, depth in zip(COLOURS, depths):
        points = [(1, 1.0)]
        for name, entry in results.items():
            if match := re.fullmatch(rf"pass_of_(\d+)_rows@{depth}", name):
                points.append((int(match[1]), entry["median"]))
        points.sort()
        axes.plot(*zip(*points), marker="o", markersize=3, color=colour, label=f"behind {depth:,} tokens")
        levels = []
        for name, entry in results.items():
            if match := re.fullmatch(rf"draft_level_of_(\d+)@{depth}", name):
                levels.append((int(match[1]), entry["median"]))
        if levels:
            axes.plot(*zip(*sorted(levels)), color=colour, linewidth=1, linestyle=":")
    limit = max(x for line in axes.lines for x in line.get_xdata())
    axes.plot([1, limit], [1, limit], color=COLOURS[3], linewidth=0.8)
    axes.set_xlabel("rows of a pass (dotted: of a draft level)")
    axes.set_ylabel("cost in passes of one row")
    axes.legend(frameon=False)


def draw_gains(axes, results, depths):
    width = 0.26
    for index, (kind, label) in enumerate(KINDS):
        entries = [results[f"{kind}_speedup_geometric_mean@{depth}"] for depth in depths]
        places = [place + (index - 1) * width for place in range(len(depths))]
        means = [entry["median"] for entry in entries]
        below = [entry["median"] - entry["p5"] for entry in entries]
        above = [entry["p95"] - entry["median"] for entry in entries]
        axes.bar(places, means, width * 0.9, color=COLOURS[index], label=label)
        axes.errorbar(places, means, [below, above], fmt="none", ecolor="#333", linewidth=0.9, capsize=2)
    axes.axhline(1, color=COLOURS[3], linewidth=0.8)
    axes.set_xticks(range(len(depths)), [f"{depth:,}" for depth in depths])
    axes.set_xlabel("prompt tokens")
    axes.set_ylabel("speed relative to plain decoding")
    top = max(entry["p95"] for name, entry in results.items() if "speedup_geometric_mean" in name)
    axes.set_ylim(0, top * 1.35)
    axes.legend(frameon=False, ncols=2, loc="upper right")


def draw_acceptance(axes, results, depths):
    depth = depths[len(depths) // 2]
    series = [
        ("longspec", "longspec", "LongSpec alone"), ("lookup", "prompt_lookup", "lookup alone"),
        ("all", "longspec", "all: LongSpec's nodes"), ("all", "prompt_lookup", "all: lookup's nodes"),
    ]
    for colour, (kind, source, label) in zip(COLOURS, series):
        points = []
        for level in range(1, 13):
            entry = results.get(f"{kind}_{source}_accepted_at_depth_{level}@{depth}")
            if entry and entry["n"] >= 20:
                points.append((level, entry["median"]))
        if points:
            axes.plot(*zip(*points), marker="o", markersize=3, color=colour, label=label)
    axes.set_ylim(0, 125)  # room for the legend
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlabel(f"depth in the tree (behind {depth:,} tokens)")
    axes.set_ylabel("verified nodes accepted, %")
    axes.set_xticks(range(2, 13, 2))
    axes.legend(frameon=False, ncols=2, loc="upper left", fontsize=7, columnspacing=1)


if __name__ == "__main__":
    main()
