#!/usr/bin/env python3
"""One typing trace (edits above the cursor, changes of file, a checkout) against `foretoken serve` and against
llama-server driven as llama.vim drives it: the same model file and threads, one after the other, side by side. Needs
Python 3.9 on Linux; llama-server is built by `Benchmarks/peers/build.sh server`.

usage: compare.py [--minutes 10] [--model GGUF] [--threads N] [--only foretoken|llama|llama-spm]
       compare.py --table A.json B.json...
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

import figures
import llama_vim
import load
import processes
import replay
import workspace

PAUSES = (0.15, 0.5, 1.0)
FACTOR = 5
SIDES = {"foretoken": "foretoken", "llama": "llama.vim", "llama-spm": "llama.vim, suffix first"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    load.add_common_arguments(parser, minutes=10.0)
    parser.add_argument("--server", default=str(load.ROOT / ".build/peers/native/bin/llama-server"))
    parser.add_argument("--port", type=int, default=8012)
    parser.add_argument("--only", choices=tuple(SIDES), action="append",
                        help="one side (repeatable); default: foretoken and llama")
    parser.add_argument("--table", nargs="+", metavar="JSON", help="prints the table of runs made before")
    options = parser.parse_args()
    if not options.table and not options.model:
        options.model = str(load.ROOT / "Models/foretoken-78m-q4_0.gguf")
    return options


def say(text):
    print(f"compare.py: {text}", file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------------------------ the sides


def run_foretoken(options, trace, prepared, folder):
    editor, around = load.run_daemon(options, trace, prepared, folder, say, idle_seconds=0)
    work = around["tokens"]
    return side("foretoken", editor.requests, around, {
        "for_requests": work["computed_for_requests"], "ahead": work["computed_ahead"],
        "completions": work["completions"], "given_up": work["given_up"],
        "prompt_tokens_p50": work["prompt_tokens"]["p50"],
        "per_completion_p50": work["computed_for_a_request"]["p50"],
        "per_completion_p95": work["computed_for_a_request"]["p95"]})


def run_llama(options, trace, prepared, folder, name):
    work_tree = f"{folder}/work-{name}"
    workspace.unpack(prepared, work_tree)
    extra = ["--spm-infill"] if name == "llama-spm" else []
    with open(f"{folder}/llama-server.log", "wb") as log:
        server = llama_vim.Server(
            options.server, options.model, options.threads, options.port, load.chosen_cpus(options), extra, log)
        try:
            server.wait_until_ready()
            typing = replay.Typing(trace, prepared, work_tree)
            editor = llama_vim.LlamaVimEditor(server, typing, options.seed)
            warm_llama(editor, trace)
            before = server.prompt_tokens()
            sampler = processes.MemorySampler(server.process)
            cpu = processes.cpu_seconds(server.process)
            typing.run(editor)
            cpu = processes.cpu_seconds(server.process) - cpu
            sampler.stop()
            total = server.prompt_tokens() - before
        finally:
            server.stop()
    computed = [p["computed"] for p in editor.prompts if p["computed"] is not None]
    reused = [p["reused"] for p in editor.prompts if p["reused"] is not None]
    around = {
        "cpu_seconds": cpu, "memory": load.memory(sampler.samples), "counts": editor.counts,
        "lateness_ms": figures.summary([1000 * value for value in typing.lateness]),
        "checkout_files": typing.checkout_files,
        "milliseconds": {
            "prefill": figures.summary([p["prompt_ms"] for p in editor.prompts if p["prompt_ms"] is not None]),
            "decode": figures.summary([p["predicted_ms"] for p in editor.prompts if p["predicted_ms"] is not None])}}
    return side(name, editor.requests, around, {
        "for_requests": sum(computed), "ahead": total - sum(computed),
        "completions": len(editor.prompts), "given_up": 0,
        "prompt_tokens_p50": figures.percentile([c + r for c, r in zip(computed, reused)], 0.5),
        "per_completion_p50": figures.percentile(computed, 0.5),
        "per_completion_p95": figures.percentile(computed, 0.95)})


def warm_llama(editor, trace):
    """Asks once in each file, as is done with the other side, and forgets the answers."""
    for file in sorted({event.file for event in trace.events if event.action == "cursor"}):
        event = next(e for e in trace.events if e.action == "cursor" and e.file == file)
        editor.ask_once(file, min(event.offset, len(editor.typing.texts[file])))


def side(name, requests, around, tokens):
    return {"side": name, "rows": [r.as_row() for r in requests], "around": around, "tokens": tokens}


# ------------------------------------------------------------------------------------------------------ the table


def figures_of(result):
    """What the table shows of one side. A key whose suggestion had not come by the next key counts as later than all."""
    rows = result["rows"]
    shown = [r for r in rows if r["shown_ms"] is not None]
    found = {
        "all": figures.summary([r["shown_ms"] for r in shown]),
        "model": figures.summary([r["shown_ms"] for r in shown if not r["cached"]]),
        "keys": len(rows), "shown_percent": figures.rounded(100 * len(shown) / len(rows), 1)}
    for pause in PAUSES:
        waited = [r for r in rows if r["pause"] >= pause]
        times = [r["shown_ms"] if r["shown_ms"] is not None else float("inf") for r in waited]
        found[f"pause_{pause}"] = {
            "n": len(waited), "percent": figures.rounded(100 * sum(t < float("inf") for t in times) / max(1, len(times)), 1),
            "p50": _finite(figures.percentile(times, 0.5)), "p95": _finite(figures.percentile(times, 0.95))}
    return found


def _finite(value):
    return None if value in (None, float("inf")) else figures.rounded(value)


def at_same_keys(ours, theirs, chosen):
    """Milliseconds of both sides at the keys for which the model wrote what `chosen` showed.

    A key at which a side showed nothing before the next one is later than all. The keys at which the other engine was
    good enough to show something are those at which it looks best, and the other way round.
    """
    by_event = [{r["event"]: r["shown_ms"] for r in side["rows"]} for side in (ours, theirs)]
    keys = [r["event"] for r in chosen["rows"] if r["shown_ms"] is not None and not r["cached"]]
    first, second = ([times.get(k) if times.get(k) is not None else float("inf") for k in keys] for times in by_event)
    ratios = [b / a if a < float("inf") else 0.0 for a, b in zip(first, second)]
    return [len(keys), _finite(figures.percentile(first, 0.5)), _finite(figures.percentile(second, 0.5)),
            sum(a == float("inf") for a in first), sum(b == float("inf") for b in second),
            _finite(figures.percentile(ratios, 0.5))]


def table(results):
    columns = [figures_of(result) for result in results]
    names = [SIDES[result["side"]] for result in results]

    def row(title, value):
        cells = [value(column) for column in columns]
        ratios = [figures.rounded(cell / cells[0], 1) if cell is not None and cells[0] else None for cell in cells[1:]]
        return [title, *cells, *ratios]

    rows = [
        row("suggestion by the model, p50 ms", lambda c: c["model"]["p50"]),
        row("suggestion by the model, p95 ms", lambda c: c["model"]["p95"]),
        row("suggestion by the model, count", lambda c: c["model"]["n"]),
        row("all suggestions, p50 ms", lambda c: c["all"]["p50"]),
        row("all suggestions, p95 ms", lambda c: c["all"]["p95"]),
        row("keys with a suggestion before the next, %", lambda c: c["shown_percent"])]
    for pause in PAUSES:
        key, wait = f"pause_{pause}", f"pauses of {pause * 1000:.0f} ms or more"
        rows += [row(f"{wait}: with a suggestion, %", lambda c, k=key: c[k]["percent"]),
                 row(f"{wait}: p50 ms, none = later than all", lambda c, k=key: c[k]["p50"]),
                 row(f"{wait}: p95 ms", lambda c, k=key: c[k]["p95"])]
    tokens = {id(column): result["tokens"] for column, result in zip(columns, results)}
    for title, key in (("tokens computed for requests", "for_requests"), ("tokens computed ahead", "ahead"),
                       ("completions", "completions"), ("prompt tokens, p50", "prompt_tokens_p50"),
                       ("computed per completion, p50", "per_completion_p50"),
                       ("computed per completion, p95", "per_completion_p95")):
        rows.append(row(title, lambda c, k=key: tokens[id(c)][k]))
    around = {id(column): result["around"] for column, result in zip(columns, results)}
    rows.append(row("CPU seconds", lambda c: figures.rounded(around[id(c)]["cpu_seconds"], 1)))
    header = ["keystroke to suggestion", *names, *["ratio"] * (len(names) - 1)]
    lines = [figures.table(rows, header)]
    same = [[f"{names[0]} and {SIDES[other['side']]}, where the model wrote for {SIDES[chosen['side']]}",
             *at_same_keys(results[0], other, chosen)] for other in results[1:] for chosen in (other, results[0])]
    lines += ["", figures.table(same, ["the same keys", "n", "p50 ms", "p50 ms", "none", "none", "median ratio"]),
              f"asked: {FACTOR} times sooner; '-' where more than half of the keys got nothing before the next one"]
    return "\n".join(lines)


def main():
    options = arguments()
    if options.table:
        results = [result for path in options.table
                   for result in json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["sides"]]
        print(table(sorted(results, key=lambda result: list(SIDES).index(result["side"]))))
        return 0
    wanted = options.only or ["foretoken", "llama"]
    if any(name != "foretoken" for name in wanted) and not os.access(options.server, os.X_OK):
        raise SystemExit(f"there is no llama-server at {options.server}: run Benchmarks/peers/build.sh server")
    load.stay_on_driver_cpus(options)
    results = []
    with tempfile.TemporaryDirectory(prefix="foretoken-compare-") as folder:
        prepared, trace = load.prepared_trace(options, folder)
        say(f"{len(trace.events)} events in {options.minutes:g} minutes, trace {trace.digest}")
        for name in wanted:
            say(SIDES[name])
            if name == "foretoken":
                results.append(run_foretoken(options, trace, prepared, folder))
            else:
                results.append(run_llama(options, trace, prepared, folder, name))
            if options.output:  # of all sides so far
                report = {
                    "trace": {"digest": trace.digest, "minutes": options.minutes, "files": trace.names},
                    "machine": processes.machine(), "threads": options.threads, "cpus": options.cpus, "sides": results}
                pathlib.Path(options.output).write_text(json.dumps(report) + "\n", encoding="utf-8")
    print(table(results), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
