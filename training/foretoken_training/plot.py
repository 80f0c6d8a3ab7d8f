"""`plot`: pictures from the JSON Lines of the other commands: a training run, ablations, and tau by tree
size.
"""

import json
import os

COLOURS = {"first": "#4269d0", "second": "#efb118", "third": "#6cc5b0", "grey": "#9498a0"}


def add_arguments(parser):
    parser.add_argument("--training", help="log.jsonl of `train-draft`")
    parser.add_argument("--ablations", help="ablations.jsonl of `ablate`")
    parser.add_argument("--evaluation", help="results of `evaluate-draft`")
    parser.add_argument("--out", required=True, help="folder for the SVG files")


def run(arguments):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "foretoken", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    os.makedirs(arguments.out, exist_ok=True)
    for path, draw, name in (
        (arguments.training, training, "run"),
        (arguments.ablations, ablations, "ablations"),
        (arguments.evaluation, tau, "tau"),
    ):
        if path:
            figure = draw(read(path))
            figure.savefig(
                os.path.join(arguments.out, f"training-{name}.svg"),
                bbox_inches="tight",
                metadata={"Date": None},
            )


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def training(entries):
    from matplotlib import pyplot

    steps = [e for e in entries if "step" in e]
    figure, axes = pyplot.subplots(figsize=(6.4, 3))
    seconds = [e["seconds"] for e in steps]
    axes.plot(seconds, [e["agreement"] for e in steps], color=COLOURS["first"], label="top-1 agreement")
    axes.plot(
        seconds, [e["overlap"] for e in steps], color=COLOURS["second"], label="overlap of the distributions"
    )
    change = next((e["seconds"] for e in steps if e["long"]), None)
    if change:
        axes.axvline(change, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
        axes.text(change, 0.45, " then rows of 16k on the Q4_0 grid", fontsize=8)
    axes.set_xlabel("seconds of training")
    axes.legend(frameon=False, loc="lower right")
    return figure


def ablations(entries):
    from matplotlib import pyplot

    last = sorted((e for e in entries if e["last"]), key=lambda e: e["16384"]["1"][0])
    figure, axes = pyplot.subplots(figsize=(6.4, 0.26 * len(last) + 0.8))
    names = [e["variant"] for e in last]
    for shape, (length, colour) in zip("os", (("2048", COLOURS["second"]), ("16384", COLOURS["first"]))):
        axes.scatter(
            [e[length]["1"][0] for e in last],
            names,
            marker=shape,
            color=colour,
            s=24,
            label=f"depth 1, {length} tokens",
        )
        axes.scatter(
            [e[length]["8"][0] for e in last],
            names,
            marker=shape,
            facecolors="none",
            edgecolors=colour,
            s=24,
            label=f"depth 8, {length} tokens",
        )
    axes.grid(axis="y", linewidth=0.3)
    axes.set_xlabel("top-1 agreement with the target, held-out code")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def tau(entries):
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3))
    lengths = sorted({e["length"] for e in entries if e["measure"] == "tau"})
    for length, colour in zip(lengths, COLOURS.values()):
        for temperature, style in ((0.0, "-"), (1.0, "--")):
            points = [
                (e["nodes"], e["tau"])
                for e in entries
                if e["measure"] == "tau"
                and e["kind"] == "fill"
                and e["length"] == length
                and e["temperature"] == temperature
                and e["form"] == "tree"
                and e["draft"] != "first draft"
            ]
            axes.plot(
                *zip(*points),
                style,
                color=colour,
                marker="o",
                markersize=3,
                label=f"{length} tokens, " + ("greedy" if temperature == 0 else "T = 1"),
            )
    axes.set_xscale("log", base=2)
    axes.set_xticks([4, 8, 16, 32], ["4", "8", "16", "32"])
    axes.set_xlabel("nodes of the best-first tree")
    axes.set_ylabel("tokens per target pass")
    axes.legend(frameon=False, fontsize=8)
    return figure
