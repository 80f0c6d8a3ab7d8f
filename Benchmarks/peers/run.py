#!/usr/bin/env python3
"""Measures Foretoken beside llama.cpp: same file, same text, same threads, in turn, in one run.

Each row of the table is one kind of work behind one depth. For a row, one process of Foretoken and one of llama.cpp per
setting (flash attention on and off, keys and values in f16 and q8_0) prepare themselves and then take turns, one
measurement each, so that whatever the machine does meets all of them. llama.cpp's figure is that of its fastest setting,
which is named. Settings that are far behind after two rounds drop out, which saves minutes and changes no figure.

usage: run.py [--rows NAMES] [--results FILE] [--budget SECONDS] [--threads N] [--model GGUF] [--model-large GGUF]
       run.py --prepare          builds llama.cpp and reads what rows stand behind, which need not be quiet
       run.py --table            prints the table of the results so far

Results are kept in a JSON file (.build/peers/results.json): rows may be measured in several runs, and a row that is
measured again replaces the old one. Only the standard library is needed.
"""

import argparse
import atexit
import hashlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / ".build" / "peers"
FORETOKEN = ROOT / ".build" / "release" / "foretoken"
DEFAULT_MODEL = ROOT / "Models" / "foretoken-78m-q4_0.gguf"

# A value cache in q8_0 needs flash attention; without it only the keys can be.
SETTINGS = [("1", "f16", "f16"), ("1", "q8_0", "q8_0"), ("0", "f16", "f16"), ("0", "q8_0", "f16")]
TEXT_BYTES = 120_000
PAUSE = 0.02  # before each measurement: OpenMP's threads spin for milliseconds after their work
DROP_BEHIND = 1.15  # a setting this much slower than the best after two rounds is measured no further

# Rows: work by name, which build, which model, and the ratio that is the aim.
ROWS = {
    "prompt_512@0": dict(aim=2.0),
    "prompt_4096@0": dict(aim=4.0),
    "prompt_2048@8192": dict(aim=5.0),
    "decode_64@0": dict(aim=1.5),
    "decode_64@8192": dict(aim=4.0),
    "decode_64@14000": dict(aim=8.0),
    "rows_1@2048": dict(),
    "rows_4@2048": dict(),
    "rows_8@2048": dict(),
    "avx2:prompt_512@0": dict(aim=1.2),
    "avx2:decode_64@0": dict(aim=1.2),
    "avx2:decode_64@8192": dict(aim=3.0),
    "large:prompt_512@0": dict(aim=1.2),
    "large:decode_64@0": dict(aim=1.0),
    "speculation@8192": dict(aim=6.0),
}
ROW_COST_AIMS = {4: 1.9, 8: 2.6}


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run.py: ended by a signal"))  # so that nothing is left running
    if options.table:
        print(table(load(options.results)))
        return
    rows = [name for name in ROWS if options.rows is None or any(matches(name, want) for want in options.rows)]
    if options.model_large is None:
        rows = [name for name in rows if not name.startswith("large:")]
    if not rows:
        sys.exit(f"run.py: no row is called {' or '.join(options.rows)}; there are: {', '.join(ROWS)}")
    builds = sorted({build_of(name) for name in rows})
    subprocess.run([ROOT / "Benchmarks" / "peers" / "build.sh", *builds], check=True)
    if not FORETOKEN.exists():
        sys.exit("run.py: .build/release/foretoken is missing; run `make build` first")
    text = write_text()
    if any(name.startswith("speculation") for name in rows):
        subprocess.run([ROOT / "Benchmarks" / "fetch.sh"], check=True)
    if options.prepare:
        for name in rows:
            prepare(name, options, text)
        return
    for name in rows:
        print(f"{name} ...", file=sys.stderr, flush=True)
        row = measure_speculation(options, text) if name.startswith("speculation") else measure(name, options, text)
        results = load(options.results)
        results["machine"] = machine(options)
        results["rows"][name] = row
        save(options.results, results)
        print(table_lines(results, only=name)[-1], file=sys.stderr, flush=True)
    print(table(load(options.results)))


def parse():
    parser = argparse.ArgumentParser(description="Foretoken beside llama.cpp, in turn, in one run.")
    parser.add_argument("--rows", type=lambda text: text.split(","), help="names or beginnings of names, with commas")
    parser.add_argument("--results", type=pathlib.Path, default=PEERS / "results.json")
    parser.add_argument("--budget", type=float, default=40, help="seconds of taking turns per row (default 40)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=pathlib.Path, default=DEFAULT_MODEL)
    parser.add_argument("--model-large", type=pathlib.Path, help="a GGUF of 1.5B parameters, for the rows large:…")
    parser.add_argument("--prepare", action="store_true", help="build and prepare only")
    parser.add_argument("--table", action="store_true", help="print the table of the results so far")
    return parser.parse_args()


def matches(name, want):
    return name == want or name.startswith(want)


def build_of(name):
    return "avx2" if name.startswith("avx2:") else "native"


def split(name):
    """'avx2:decode_64@0' → ('decode', 64, 0)"""
    work, depth = name.split(":")[-1].split("@")
    kind, _, count = work.partition("_")
    return kind, int(count or 64), int(depth)


# ---------------------------------------------------------------------------------------------------- the text


def write_text():
    """Sources of the llama.cpp that was built: real code, the same for every version of ours, enough for every depth."""
    folders = sorted(PEERS.glob("llama_cpp_python-*/vendor/llama.cpp/src"))
    if not folders:
        sys.exit("run.py: there are no sources below .build/peers; run Benchmarks/peers/build.sh")
    text = b"\n".join(path.read_bytes() for path in sorted(folders[-1].glob("*.cpp")))
    path = PEERS / "text.txt"
    path.write_bytes(text[:TEXT_BYTES])
    return path


# ---------------------------------------------------------------------------------------------------- contestants


class Contestant:
    """A process that says `ready` and then answers every line with the seconds of one measurement."""

    def __init__(self, label, command, environment=None):
        self.label = label
        self.seconds = []
        clean = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**clean, **(environment or {})})
        atexit.register(self.process.kill)
        self.fingerprint = None

    def wait_until_ready(self):
        self.fingerprint = self.answer().split()[1]

    def measure(self):
        time.sleep(PAUSE)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds = float(self.answer())
        self.seconds.append(seconds)
        return seconds

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"run.py: {self.label} ended early (status {self.process.wait()})")
        return line

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def model_of(name, options):
    return options.model_large if name.startswith("large:") else options.model


def llama(name, setting, options, text, environment=None):
    kind, count, depth = split(name)
    states = PEERS / "states" / hashlib.sha256(text.read_bytes()).hexdigest()[:12]  # of either build
    states.mkdir(parents=True, exist_ok=True)
    flash, keys, values = setting
    cache = keys if keys == values else f"{keys}/{values}"
    label = f"flash attention {'on' if flash == '1' else 'off'}, {cache}"
    return Contestant(label, [
        PEERS / build_of(name) / "driver", model_of(name, options), text, options.threads, kind, count, depth, flash,
        keys, values, states], environment)


def foretoken(name, options, text):
    work = name.split(":")[-1]
    environment = {"FORETOKEN_ISA": "avx2"} if name.startswith("avx2:") else {}
    return Contestant("foretoken", [
        FORETOKEN, "bench", "--paced", work, "--text", text, "--threads", options.threads, "--model",
        model_of(name, options)], environment)


def prepare(name, options, text):
    """Lets every setting of llama.cpp read the row's depth once; the state files are kept."""
    if name.startswith("speculation"):
        name = "decode_64@8192"
    for setting in SETTINGS if split(name)[2] > 0 else []:
        # Other work may go on meanwhile, and threads that spin at barriers would suffer from it most.
        contestant = llama(name, setting, options, text, {"OMP_WAIT_POLICY": "passive"})
        contestant.wait_until_ready()
        contestant.close()


# ---------------------------------------------------------------------------------------------------- measuring


def measure(name, options, text):
    ours = foretoken(name, options, text)
    theirs = [llama(name, setting, options, text) for setting in SETTINGS]
    everyone = [ours, *theirs]
    for contestant in everyone:
        contestant.wait_until_ready()
    if len({contestant.fingerprint for contestant in everyone}) != 1:
        sys.exit("run.py: the two engines read the text as different tokens; the comparison would mean nothing")
    for contestant in everyone:
        contestant.measure()  # warms up
        contestant.seconds.clear()
    load_before = os.getloadavg()[0]
    racing = list(everyone)
    start = time.monotonic()
    rounds = 0
    while rounds < 5 or (time.monotonic() - start < options.budget and rounds < 60):
        for place in range(len(racing)):  # nobody is always first
            racing[(place + rounds) % len(racing)].measure()
        rounds += 1
        if rounds == 2:
            best = min(statistics.median(each.seconds) for each in theirs)
            racing = [ours] + [each for each in theirs if statistics.median(each.seconds) < best * DROP_BEHIND]
    for contestant in everyone:
        contestant.close()
    best = min((each for each in racing if each is not ours), key=lambda each: statistics.median(each.seconds))
    _, count, _ = split(name)
    return {
        "count": count, "ours": ours.seconds, "theirs": best.seconds, "setting": best.label,
        "settings": {each.label: statistics.median(each.seconds) for each in theirs},
        "load": [load_before, os.getloadavg()[0]], "fingerprint": ours.fingerprint,
    }


def measure_speculation(options, text):
    """Completions at real places behind 8,192 tokens, with and without speculation, beside llama.cpp's plain decoding.

    Two cases of `foretoken bench --scenario speculation`, then llama.cpp, and so on: a case file lets it go on.
    """
    name = "decode_64@8192"
    theirs = [llama(name, setting, options, text) for setting in SETTINGS]
    for contestant in theirs:
        contestant.wait_until_ready()
        contestant.measure()
        contestant.seconds.clear()
    load_before = os.getloadavg()[0]
    cases = PEERS / "speculation.jsonl"
    cases.unlink(missing_ok=True)
    start = time.monotonic()
    count = 0
    while count < 4 or (time.monotonic() - start < 3 * options.budget and count < 50):
        for contestant in theirs:
            contestant.measure()
        count += 2
        report = json.loads(subprocess.run(
            [FORETOKEN, "bench", "--scenario", "speculation", "--json", "--depths", "8192", "--cases", str(count),
             "--pairs", "3", "--case-file", cases, "--threads", str(options.threads), "--model", options.model],
            check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    for contestant in theirs:
        contestant.measure()
        contestant.close()
    values = {result["name"]: result for result in report["results"]}
    rates = [values["all_rate@8192"][key] for key in ("p5", "median", "p95")]
    best = min(theirs, key=lambda each: statistics.median(each.seconds))
    return {
        "count": 64, "ours": [64 / rate for rate in rates], "theirs": best.seconds, "setting": best.label,
        "settings": {each.label: statistics.median(each.seconds) for each in theirs},
        "plain": values["plain_rate@8192"]["median"], "tau": values["all_tau@8192"]["median"], "cases": count,
        "load": [load_before, os.getloadavg()[0]],
    }


def machine(options):
    report = json.loads(subprocess.run(
        [FORETOKEN, "bench", "--json", "--depths", "0", "--repeats", "1", "--model", options.model, "--threads",
         str(options.threads)], check=True, capture_output=True, text=True).stdout)
    return {
        "cpu": report["machine"]["cpu"], "cores": report["machine"]["cores"], "threads": report["build"]["threads"],
        "isa": report["build"]["isa"], "version": report["build"]["version"],
        "commit": subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip(),
        "model": options.model.name, "day": time.strftime("%Y-%m-%d"),
    }


# ---------------------------------------------------------------------------------------------------- the table


def load(path):
    return json.loads(path.read_text()) if path.exists() else {"schema": 1, "rows": {}}


def save(path, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def rate(count, seconds):
    """'2830 ±1 %': the median, and half of what lies between the 10th and the 90th percentile."""
    values = sorted(count / second for second in seconds)
    median = statistics.median(values)
    low, high = values[int(0.1 * (len(values) - 1))], values[-1 - int(0.1 * (len(values) - 1))]
    return median, f"{median:,.0f} ±{(high - low) / 2 / median * 100:.0f} %"


def table(results):
    lines = []
    if "machine" in results:
        m = results["machine"]
        lines += [f"{m['cpu']}, {m['cores']} cores, {m['threads']} threads, {m['isa']}; foretoken {m['commit']}, "
                  f"{m['model']}, {m['day']}. Medians of interleaved rounds, ± half of what lies between the 10th and "
                  "the 90th percentile.", ""]
    return "\n".join(lines + table_lines(results) + cost_lines(results))


def table_lines(results, only=None):
    lines = ["| tok/s | Foretoken | llama.cpp | its fastest setting | ratio | aim | rounds | load |",
             "|---|---|---|---|---|---|---|---|"]
    for name, about in ROWS.items():
        row = results["rows"].get(name)
        if row is None or (only and name != only):
            continue
        ours, ours_text = rate(row["count"], row["ours"])
        theirs, theirs_text = rate(row["count"], row["theirs"])
        title = describe(name)
        if "plain" in row:
            ours_text += f" (plain {row['plain']:,.0f}, τ {row['tau']:.2f}, {row['cases']} cases)"
        aim = f"≥ {about['aim']}" if "aim" in about else ""
        loads = "–".join(f"{value:.1f}" for value in row["load"])
        lines.append(f"| {title} | {ours_text} | {theirs_text} | {row['setting']} | {ours / theirs:.2f} | {aim} | "
                     f"{len(row['ours'])} | {loads} |")
    return lines


def describe(name):
    if name.startswith("speculation"):
        return "decode behind 8,192, with speculation"
    kind, count, depth = split(name)
    build = {"avx2": "AVX2: ", "large": "1.5B: "}.get(name.split(":")[0] if ":" in name else "", "")
    work = {"prompt": f"prompt of {count:,}", "decode": "decode", "rows": f"one pass of {count} row{'s'[:count > 1]}"}[kind]
    return f"{build}{work} behind {depth:,}" if depth else f"{build}{work}"


def cost_lines(results):
    """What a pass of several rows costs against a pass of one, for either engine."""
    one = results["rows"].get("rows_1@2048")
    lines = []
    for count, aim in ROW_COST_AIMS.items():
        row = results["rows"].get(f"rows_{count}@2048")
        if one is None or row is None:
            continue
        ours = statistics.median(row["ours"]) / statistics.median(one["ours"])
        theirs = statistics.median(row["theirs"]) / statistics.median(one["theirs"])
        lines.append(f"| {count} rows behind 2,048 | {ours:.2f} | {theirs:.2f} | ≤ {aim} |")
    if lines:
        lines = ["", "| cost of a pass against one row | Foretoken | llama.cpp | aim |", "|---|---|---|---|"] + lines
    return lines


if __name__ == "__main__":
    main()
