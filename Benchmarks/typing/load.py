#!/usr/bin/env python3
"""Fast typing in three files at once against `foretoken serve`: how soon keys are answered, how often with something,
and what the daemon takes meanwhile. Needs Python 3.9 on Linux; git for --repository, not for --prepared.

usage: load.py [--minutes 20] [--typists 1|3] [--repository DIR | --prepared DIR] [--threads N] [--cpus LIST|cores]
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import figures
import language_server
import processes
import replay
import typing_trace
import workspace

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAUSE = 0.150
AT_CURSOR = 16  # tokens: fewer are never kept for later (KVCache.leastStoredTokenCount)
TARGETS = {  # name: (limit, whether the figure must be at least that)
    "keystroke_to_answer_p50_ms": (30, False), "keystroke_to_answer_p95_ms": (150, False),
    "keystroke_to_answer_max_ms": (1000, False), "answered_at_pauses_percent": (60, True),
    "idle_cpu_percent": (1, False), "memory_change_percent": (5, False),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add_common_arguments(parser, minutes=20.0)
    parser.add_argument("--typists", type=int, choices=(1, 3), default=1,
                        help="one who changes between the files, or one for each file, all at once")
    parser.add_argument("--idle-seconds", type=float, default=30.0, help="for the idle CPU figure")
    return parser.parse_args()


def add_common_arguments(parser, minutes):
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repository", default=str(ROOT), help="what is typed in; default: this repository")
    parser.add_argument("--files", nargs=3, help="in the repository; default: drawn by the seed")
    parser.add_argument("--prepared", help="a folder that `prepare.py` made, in place of --repository")
    parser.add_argument("--binary", default=str(ROOT / ".build/release/foretoken"))
    parser.add_argument("--model", help="GGUF file; default: what the binary finds")
    parser.add_argument("--threads", type=int, help="default: what the binary chooses")
    parser.add_argument("--cpus", help="for the program measured: a list such as 0-3,8, or 'cores': one CPU of each "
                        "of --threads cores")
    parser.add_argument("--first-core", type=int, default=0, help="with --cpus cores: how many cores to leave out")
    parser.add_argument("--driver-cpus", help="for the typist: a list, as of --cpus")
    parser.add_argument("--library-path", help="LD_LIBRARY_PATH of foretoken")
    parser.add_argument("--context-tokens", type=int, default=4096)
    parser.add_argument("--serve-argument", action="append", default=[], help="passed to foretoken serve, repeatable")
    parser.add_argument("--log", help="a file for all that the daemon says, each line with its time")
    parser.add_argument("--output", help="the JSON report; default: standard output, after the table")


def stay_on_driver_cpus(options):
    if options.driver_cpus:
        os.sched_setaffinity(0, processes.parse_cpus(options.driver_cpus))


def chosen_cpus(options):
    if options.cpus == "cores":
        return processes.cores(options.threads or 2, options.first_core)
    return processes.parse_cpus(options.cpus) if options.cpus else None


def serve_arguments(options):
    result = ["--context-tokens", str(options.context_tokens)]
    if options.model:
        result += ["--model", os.path.abspath(options.model)]
    if options.threads:
        result += ["--threads", str(options.threads)]
    return result + options.serve_argument


def prepared_trace(options, folder, typists=1):
    """The folder with repository and checkout, and the trace."""
    if options.prepared:
        whole = typing_trace.Trace.load(f"{options.prepared}/trace.json.gz")
        return options.prepared, whole.until(options.minutes * 60)
    def is_refused(path):
        # In a file with what looks like a credential nothing is completed: typing there measures nothing.
        command = [options.binary, "context", f"{path}:1:1", "--no-context"]
        return subprocess.run(command, capture_output=True).returncode != 0

    made = workspace.prepare(
        options.repository, f"{folder}/prepared", options.seed, options.minutes, typists, options.files, is_refused)
    return f"{folder}/prepared", made


# ------------------------------------------------------------------------------------------------------ the run


def warm_up(daemon, editor, trace, say):
    """Asks once in each file and lets the daemon read what it reads when nothing happens."""
    seen = set()
    for event in trace.events:
        if event.action == "cursor" and event.file not in seen:
            seen.add(event.file)
            # The place where the typist goes first may have moved by then; any place of the file warms it.
            text = editor.typing.texts[event.file]
            place = replay.line_and_column(text, min(event.offset, len(text)))
            request = daemon.new_id()
            position = {"line": place[0], "character": place[1]}
            daemon.complete(trace.names[event.file], position, request, is_asked=True)
            while daemon.messages.get(timeout=120).get("id") != request:
                pass
    say(f"warm after {len(seen)} first prompts")
    time.sleep(3)


def run_daemon(options, trace, prepared, folder, say, idle_seconds):
    """One session; the editor with its requests, and a dictionary of what was measured around it."""
    work_tree = f"{folder}/work-{os.getpid()}"
    workspace.unpack(prepared, work_tree)
    daemon = language_server.Daemon(
        options.binary, work_tree, f"{folder}/state", serve_arguments(options), chosen_cpus(options),
        options.library_path, log=open(options.log, "w", encoding="utf-8") if options.log else None)
    try:
        daemon.initialize()
        typing = replay.Typing(trace, prepared, work_tree)
        editor = language_server.LanguageServerEditor(daemon, typing)
        editor.open_all()
        warm_up(daemon, editor, trace, say)
        before = len(daemon.runs), len(daemon.ahead)
        sampler = processes.MemorySampler(daemon.process)
        cpu = processes.cpu_seconds(daemon.process)
        began = time.monotonic()
        typing.run(editor)
        around = {"seconds": time.monotonic() - began}
        around["cpu_seconds"] = processes.cpu_seconds(daemon.process) - cpu
        sampler.stop()
        editor.finish()
        around.update(
            memory=memory(sampler.samples), tokens=tokens(daemon, before), accepted=editor.accepted,
            lateness_ms=figures.summary([1000 * value for value in typing.lateness]),
            checkout_files=typing.checkout_files, unanswered=editor.unanswered)
        if idle_seconds:
            time.sleep(8)  # snapshots are written after five seconds
            around["idle_cpu_percent"] = figures.rounded(
                processes.idle_cpu_percent(daemon.process, idle_seconds), 3)
        around["warnings"] = daemon.warnings
        around["exit_code"] = daemon.stop()
        return editor, around
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
        shutil.rmtree(work_tree, ignore_errors=True)


def memory(samples):
    """Medians of the ten tenths of the run, and how far those after the first two lie apart, in per cent of half."""
    tenths = []
    for number in range(10):
        part = samples[number * len(samples) // 10 : (number + 1) * len(samples) // 10]
        if part:
            tenths.append([figures.rounded(figures.percentile([s[column] for s in part], 0.5), 1) for column in (1, 2)])
    later = [resident for resident, _ in tenths[2:]]
    if not later:
        return {"tenths_mib": tenths, "change_percent": None}
    middle = (max(later) + min(later)) / 2
    return {
        "tenths_mib": [resident for resident, _ in tenths], "own_tenths_mib": [own for _, own in tenths],
        "change_percent": figures.rounded(100 * (max(later) - min(later)) / 2 / middle),
    }


def tokens(daemon, before):
    """What the model read: for requests, for those given up too, and ahead of requests."""
    runs, ahead = daemon.runs[before[0]:], daemon.ahead[before[1]:]
    whole = [run for run in runs if run["stop_reason"] != "cancelled"]
    fresh = [int(run["prompt_tokens"]) - int(run["reused_tokens"]) for run in whole]
    return {
        "completions": len(whole), "given_up": len(runs) - len(whole),
        "prompt_tokens": figures.summary([int(run["prompt_tokens"]) for run in whole]),
        "computed_for_a_request": figures.summary(fresh),
        "computed_for_requests": sum(fresh),
        "computed_ahead": sum(int(item["computed"]) for item in ahead),
        "generated": sum(int(run["tokens"]) for run in runs),
        "milliseconds": {
            part: figures.summary([float(run[f"{part}_ms"]) for run in whole])
            for part in ("context", "prefill", "decode")},
    }


# ------------------------------------------------------------------------------------------------------ the report


def latencies(requests, *outcomes):
    return [r.latency_ms for r in requests if r.outcome in outcomes and r.answered is not None]


def computed(requests):
    """Prompt tokens read for requests of one kind, and how many of the requests read more than at the cursor."""
    tokens = sorted(request.computed for request in requests)
    here = [count for count in tokens if count <= AT_CURSOR]
    return {"n": len(tokens), "mean": figures.rounded(sum(tokens) / len(tokens)), "sum": sum(tokens), "max": tokens[-1],
            "at_cursor_mean": figures.rounded(sum(here) / max(1, len(here))), "more": len(tokens) - len(here)}


def report(options, trace, editor, around):
    requests = editor.requests
    answered = latencies(requests, "items", "empty", "error")
    at_pauses = [r for r in requests if r.pause >= PAUSE]
    superseded = [r for r in at_pauses if r.outcome == "superseded"]
    non_empty = [r for r in at_pauses if r.shown is not None]
    uncached = [r for r in requests if r.outcome == "items" and not r.is_cached]
    result = {
        "trace": {"digest": trace.digest, "seed": trace.seed, "minutes": options.minutes, "files": trace.names,
                  "typists": getattr(options, "typists", 1), "events": len(trace.events),
                  "requests": len(requests)},
        "machine": processes.machine(), "threads": options.threads, "cpus": options.cpus,
        "context_tokens": options.context_tokens,
        "outcomes": {name: sum(r.outcome == name for r in requests)
                     for name in ("items", "empty", "superseded", "cancelled", "error", "")},
        "keystroke_to_answer_ms": figures.summary(answered),
        "superseded_ms": figures.summary(latencies(requests, "superseded")),
        "cancelled_ms": figures.summary(latencies(requests, "cancelled")),
        "non_empty_uncached_ms": figures.summary([r.latency_ms for r in uncached]),
        "non_empty_cached_ms": figures.summary(
            [r.latency_ms for r in requests if r.outcome == "items" and r.is_cached]),
        "empty_ms": figures.summary(latencies(requests, "empty")),
        "by_kind_ms": {kind: figures.summary([r.latency_ms for r in requests if r.kind == kind
                                              and r.outcome in ("items", "empty", "error")])
                       for kind in sorted({r.kind for r in requests})},
        "computed_by_kind": {kind: computed([r for r in requests if r.kind == kind])
                             for kind in sorted({r.kind for r in requests})},
        "pauses": {"n": len(at_pauses), "non_empty": len(non_empty),
                   "superseded": len(superseded),
                   "percent": figures.rounded(100 * len(non_empty) / max(1, len(at_pauses) - len(superseded)), 1),
                   "percent_of_all": figures.rounded(100 * len(non_empty) / max(1, len(at_pauses)), 1),
                   "outcomes": {name: sum(r.outcome == name for r in at_pauses)
                                for name in ("items", "empty", "superseded", "cancelled", "error", "")},
                   "late": sum(r.outcome == "items" and r.shown is None for r in at_pauses),
                   "reasons": collections.Counter(r.reason for r in at_pauses if r.outcome == "empty")},
        **around,
    }
    result["targets"] = targets(result)
    return result


def targets(result):
    times = result["keystroke_to_answer_ms"]
    values = {
        "keystroke_to_answer_p50_ms": times["p50"], "keystroke_to_answer_p95_ms": times["p95"],
        "keystroke_to_answer_max_ms": times["max"], "answered_at_pauses_percent": result["pauses"]["percent"],
        "idle_cpu_percent": result.get("idle_cpu_percent"),
        "memory_change_percent": result["memory"]["change_percent"],
    }
    return {name: {"asked": limit, "got": values[name],
                   "met": values[name] is not None
                   and (values[name] >= limit if at_least else values[name] <= limit)}
            for name, (limit, at_least) in TARGETS.items()}


def table(result):
    """The report for people."""
    trace, machine = result["trace"], result["machine"]
    rows = [[title, *(result[key][column] for column in ("n", "p50", "p95", "p99", "max"))] for title, key in (
        ("all that were not superseded", "keystroke_to_answer_ms"),
        ("  with a suggestion, by the model", "non_empty_uncached_ms"),
        ("  with a suggestion, known already", "non_empty_cached_ms"),
        ("  with nothing", "empty_ms"),
        ("superseded by the next key", "superseded_ms"),
        ("cancelled when the file was left", "cancelled_ms"))]
    lines = [
        f"{machine['cpu']}, {machine['cpus']} CPUs, load {machine['load']:.2f}; threads {result['threads']}, "
        f"CPUs {result['cpus']}",
        f"{trace['minutes']:g} minutes, seed {trace['seed']}, trace {trace['digest']}, {trace['typists']} at once in "
        + ", ".join(trace["files"]),
        "", figures.table(rows, ["key to answer, ms", "n", "p50", "p95", "p99", "max"]), ""]
    work = result["tokens"]
    lines += [
        f"pauses    {result['pauses']['n']} of {PAUSE * 1000:.0f} ms or more, {result['pauses']['superseded']} superseded; "
        f"{result['pauses']['percent']} % of the others answered with a suggestion "
        f"({result['pauses']['percent_of_all']} % of all)",
        *(f"          {count} with nothing: {reason}" for reason, count in result["pauses"]["reasons"].most_common()),
        f"accepted  {result['accepted']} of what the trace accepts was suggested (whole, in part, not)",
        f"prompts   {work['prompt_tokens']['p50']} tokens (median), {work['computed_for_requests']} computed for "
        f"{work['completions']} requests, {work['computed_ahead']} ahead, {work['given_up']} given up",
        "computed  " + ", ".join(
            f"{kind} {value['mean']:g} (of {value['n']}; {value['at_cursor_mean']:g} without {value['more']} of more "
            f"than {AT_CURSOR}, at most {value['max']})"
            for kind, value in result["computed_by_kind"].items()) + " tokens for a request, by what the typist did",
        f"memory    MiB by tenths {result['memory']['tenths_mib']}",
        f"cpu       {100 * result['cpu_seconds'] / result['seconds']:.0f} % while typing, "
        f"{result.get('idle_cpu_percent')} % idle; driver late by {result['lateness_ms']['p99']} ms (p99)",
        f"left      {result['unanswered']} unanswered, exit code {result['exit_code']}, "
        f"{len(result['warnings'])} warnings", ""]
    lines.append(figures.table(
        [[name, value["asked"], value["got"], "yes" if value["met"] else "NO"]
         for name, value in result["targets"].items()], ["target", "asked", "got", "met"]))
    return "\n".join(lines)


def main():
    options = arguments()
    stay_on_driver_cpus(options)
    with tempfile.TemporaryDirectory(prefix="foretoken-typing-") as folder:
        prepared, trace = prepared_trace(options, folder, options.typists)

        def say(text):
            print(f"load.py: {text}", file=sys.stderr, flush=True)

        say(f"{len(trace.events)} events in {options.minutes:g} minutes, trace {trace.digest}")
        editor, around = run_daemon(options, trace, prepared, folder, say, options.idle_seconds)
        result = report(options, trace, editor, around)
    print(table(result), flush=True)
    text = json.dumps(result, indent=1)
    if options.output:
        pathlib.Path(options.output).write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    broken = result["unanswered"] or result["exit_code"] or result["outcomes"]["error"]
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
