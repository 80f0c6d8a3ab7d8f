#!/usr/bin/env python3
"""Judges the choice of context on real repositories, through the language server as an editor sees it.

  context_quality.py run BINARY OUTPUT REPOSITORY...   completions, one journal line each (--jobs n)
  context_quality.py table OUTPUT                      the table, from the journal in OUTPUT
  context_quality.py shared REPOSITORY OTHER...        which share of a repository's lines stands in each other one

At each cursor the rest of a line is taken away and asked for; it counts when the first line that comes back is the
same, blanks at the end aside. Cursors are drawn with a seed from the files that git tracks: half at the first
character of a line, half at the start of a word in it; comment lines and very short rests are left out. The
settings: no context, the same folder alone, all signals, and all but one. Needs Python 3.9 and git.
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import threading
import time

SIGNALS = ["imports", "definitions", "history", "recent", "lexical", "same-folder", "sibling", "path"]
ENDINGS = set(".py .go .rs .js .ts .tsx .c .h .cpp .cc .hpp .java .cs .kt .swift".split())
# Cursors that one server is asked about. One: asked at once in another file, a server answers behind context that it has
# read for the files before (docs/PREFIX_CACHE.md), which is not the choice that is judged here.
BLOCK = 1
# Seconds after which a server that does not answer is ended.
PATIENCE = 120
COMMENTS = ("#", "//", "*", "/*", '"""', "'''")


def without(names):
    return [word for name in names for word in ("--without-signal", name)]


SETTINGS = {
    "none": ["--no-context"],
    "same-folder": without(name for name in SIGNALS if name != "same-folder"),
    "full": [],
    **{f"without {name}": without([name]) for name in SIGNALS},
}


def draw(root, count, seed):
    """Cursors of one repository as (path, line, column in characters), both from 0."""
    rng = random.Random(f"{seed} {os.path.basename(root)}")
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True).stdout
    names = sorted(name for name in listed.decode("utf-8", "replace").split("\0")
                   if os.path.splitext(name)[1] in ENDINGS and os.path.isfile(os.path.join(root, name)))
    rng.shuffle(names)
    cursors = []
    for attempt in range(60 * count):
        if len(cursors) == count or not names:
            break
        name = names[attempt % len(names)]
        data = pathlib.Path(root, name).read_bytes()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        if not 600 <= len(data) <= 200_000 or "\r" in text:
            continue
        lines = text.split("\n")
        number = rng.randrange(len(lines))
        line = lines[number]
        if len(line.strip()) < 8 or line.strip().startswith(COMMENTS):
            continue
        column = len(line) - len(line.lstrip())
        if rng.random() < 0.5:
            starts = [place for place in range(column + 1, len(line) - 4)
                      if not (line[place - 1].isalnum() or line[place - 1] == "_")]
            column = rng.choice(starts) if starts else column
        if len(line[column:].strip()) >= 4 and (name, number, column) not in cursors:
            cursors.append((name, number, column))
    return cursors


class Client:
    """A language server on a repository."""

    def __init__(self, binary, root, options):
        # On a machine that is full of servers no answer is to be cut for being late.
        command = [binary, "serve", "--log-level", "error", "--answer-within", "0"] + options
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number = 0
        uri = pathlib.Path(root).as_uri()
        # The choice of context is judged, not the gate that keeps back what the model is unsure of.
        self.call("initialize", {"processId": None, "rootUri": uri, "capabilities": {},
                                 "initializationOptions": {"minimumConfidence": 0},
                                 "workspaceFolders": [{"uri": uri, "name": os.path.basename(root)}]})
        self.send("initialized", {})

    def send(self, method, params, **more):
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def receive(self):
        length = 0
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        try:
            while (line := self.process.stdout.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length"):
                    length = int(line.split(b":")[1])
            if not length:
                raise RuntimeError("the server ended or did not answer")
            return json.loads(self.process.stdout.read(length))
        finally:
            watchdog.cancel()

    def call(self, method, params):
        self.number += 1
        self.send(method, params, id=self.number)
        while (answer := self.receive()).get("id") != self.number or "method" in answer:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def complete(self, path, text, line, column):
        """The first line of the completion at a place."""
        uri = pathlib.Path(path).as_uri()
        document = {"uri": uri}
        language = pathlib.Path(path).suffix[1:]
        self.send("textDocument/didOpen", {
            "textDocument": {"uri": uri, "languageId": language, "version": 1, "text": text}})
        answer = self.call("textDocument/inlineCompletion", {
            "textDocument": document, "position": {"line": line, "character": column}, "context": {"triggerKind": 2}})
        self.send("textDocument/didClose", {"textDocument": document})
        items = answer.get("items", []) if isinstance(answer, dict) else answer or []
        return items[0]["insertText"].split("\n")[0].rstrip() if items else ""

    def end(self):
        # Killed, not shut down: nothing that one setting's prompts left is to be found by the next.
        self.process.kill()
        self.process.wait()


class Journal:
    """What was asked and how it ended, one line each; a run that is started again leaves out what stands here."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        path = pathlib.Path(folder, "journal.jsonl")
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
        records = [json.loads(line) for line in lines[:-1]]
        self.done = {(record["repository"], record["number"], record["setting"]) for record in records}
        self.lock = threading.Lock()
        self.out = path.open("r+b" if path.exists() else "wb")
        # A line that was cut off is written anew.
        self.out.truncate(sum(len(line) + 1 for line in lines[:-1]))
        self.out.seek(0, os.SEEK_END)

    def add(self, record):
        with self.lock:
            self.out.write(json.dumps(record).encode() + b"\n")
            self.out.flush()
            self.done.add((record["repository"], record["number"], record["setting"]))


def blocks(repositories, arguments):
    """Pieces of work, each for one server: (repository, setting, numbers of cursors).

    The first cursors of all repositories and settings come first, so that a run that is cut off can be judged.
    """
    each = math.ceil(arguments.cursors / len(repositories))
    each_ablation = math.ceil(arguments.ablation_cursors / len(repositories))
    work = []
    for start in range(0, each, BLOCK):
        for repository in repositories:
            for setting in SETTINGS:
                count = min(each_ablation if setting.startswith("without") else each, len(repository.cursors))
                if numbers := range(start, min(start + BLOCK, count)):
                    work.append((repository, setting, numbers))
    return work


class Repository:
    """A repository and its cursors."""

    def __init__(self, root, count, seed):
        self.root = os.path.abspath(root)
        self.name = os.path.basename(self.root)
        self.cursors = draw(self.root, count, seed)
        commits = subprocess.run(["git", "-C", self.root, "rev-list", "--count", "HEAD"], capture_output=True).stdout
        self.has_history = int(commits or 0) > 1

    def index(self, binary):
        """Lets the index be built and kept, so that no server answers with half of one."""
        path, line, column = self.cursors[0]
        subprocess.run([binary, "context", f"{os.path.join(self.root, path)}:{line + 1}:{column + 1}"],
                       stdout=subprocess.DEVNULL, check=True)


def ask(client, repository, number):
    """Whether the rest of the line at a cursor comes back, as part of a journal's record."""
    path, line, column = repository.cursors[number]
    path = os.path.join(repository.root, path)
    lines = pathlib.Path(path).read_text().split("\n")
    expected = lines[line][column:].rstrip()
    lines[line] = lines[line][:column]
    units = len(lines[line].encode("utf-16-le")) // 2
    start = time.monotonic()
    got = client.complete(path, "\n".join(lines), line, units)
    return {"exact": got == expected, "empty": not got, "seconds": round(time.monotonic() - start, 3)}


def work_off(block, journal, arguments):
    """Asks at the cursors of a block that the journal does not have."""
    repository, setting, numbers = block
    mine = [number for number in numbers if (repository.name, number, setting) not in journal.done]
    if not mine:
        return
    client = Client(arguments.binary, repository.root, ["--context-tokens", str(arguments.tokens)] + SETTINGS[setting]
                    + (["--threads", str(arguments.threads)] if arguments.threads else []))
    try:
        for number in mine:
            journal.add({"repository": repository.name, "number": number, "setting": setting,
                         "history": repository.has_history, "tokens": arguments.tokens,
                         **ask(client, repository, number)})
    finally:
        client.end()


def run(arguments):
    repositories = [Repository(root, math.ceil(arguments.cursors / len(arguments.repositories)), arguments.seed)
                    for root in arguments.repositories]
    journal = Journal(arguments.output)
    work = blocks(repositories, arguments)
    total = sum(len(numbers) for _, _, numbers in work)
    for repository in repositories:
        repository.index(arguments.binary)
    print(f"{len(repositories)} indexed, {len(journal.done)} of {total} done", file=sys.stderr, flush=True)
    failed = 0
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(work_off, block, journal, arguments): block for block in work}
        for count, ended in enumerate(concurrent.futures.as_completed(running), 1):
            repository, setting, numbers = running[ended]
            if error := ended.exception():
                failed += 1
                print(f"{repository.name}, {setting}, {numbers[0]}-{numbers[-1]}: {error}", file=sys.stderr, flush=True)
            print(f"{len(journal.done)} of {total} after {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    if failed:
        sys.exit(f"{failed} of {len(work)} blocks ended early; run again for what they lack")


def interval(hits, count):
    """Wilson's 95 % interval of a share, in percent."""
    if not count:
        return 0.0, 0.0
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return 100 * (middle - half), 100 * (middle + half)


def difference(first, second):
    """The last columns of a row: how far the second lies above the first at the cursors that both have.

    The interval is Wald's for paired shares, the p-value that of McNemar's exact two-sided test.
    """
    keys = first.keys() & second.keys()
    count = max(1, len(keys))
    wins = sum(second[key] and not first[key] for key in keys)
    losses = sum(first[key] and not second[key] for key in keys)
    middle = (wins - losses) / count
    half = 1.96 * math.sqrt(max(0, (wins + losses) / count - middle * middle) / count)
    tail = sum(math.comb(wins + losses, number) for number in range(min(wins, losses) + 1))
    p = min(1.0, 2 * tail / 2 ** (wins + losses))
    return (f" {100 * middle:+.1f} ({100 * (middle - half):+.1f} to {100 * (middle + half):+.1f};"
            f" +{wins} −{losses}) | {p:.2g} |")


def table(arguments):
    results = {}
    histories = {}
    for record in map(json.loads, pathlib.Path(arguments.output, "journal.jsonl").open()):
        results.setdefault(record["setting"], {})[record["repository"], record["number"]] = record["exact"]
        histories[record["repository"]] = record["history"]

    def row(label, setting, base, chosen=lambda name: True):
        mine = {key: value for key, value in results.get(setting, {}).items() if chosen(key[0])}
        if not mine:
            return
        low, high = interval(sum(mine.values()), len(mine))
        text = f"| {label} | {len(mine):,} | {100 * sum(mine.values()) / len(mine):.1f} | {low:.1f}–{high:.1f} |"
        print(text + (difference(results.get(base, {}), mine) if base else " | |"))

    print("| setting | cursors | exact match % | 95 % | difference, 95 % | paired p |\n|---|---|---|---|---|---|")
    row("none", "none", None)
    row("same folder, against none", "same-folder", "none")
    row("full, against none", "full", "none")
    row("full, against same folder", "full", "same-folder")
    for signal in SIGNALS:
        row(f"without `{signal}`, against full", f"without {signal}", "full")
    # History counts for nothing where there is none.
    row("without `history`, against full, where there is a history", "without history", "full", histories.get)
    print("\n| repository | history | cursors | none | same folder | full |\n|---|---|---|---|---|---|")
    for name in sorted(histories):
        shares = []
        for setting in ["none", "same-folder", "full"]:
            mine = [value for key, value in results.get(setting, {}).items() if key[0] == name]
            shares.append(f"{100 * sum(mine) / len(mine):.1f}" if mine else "")
        print(f"| {name} | {'yes' if histories[name] else 'no'} | {len(mine)} | {' | '.join(shares)} |")


def source_lines(root):
    """The distinct lines of a repository's source files at HEAD that say something: 24 characters and more."""
    lines = set()
    git = subprocess.Popen(["git", "-C", root, "archive", "HEAD"], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=git.stdout, mode="r|") as archive:
        for member in archive:
            if member.isfile() and os.path.splitext(member.name)[1] in ENDINGS:
                text = archive.extractfile(member).read().decode("utf-8", "replace")
                lines.update(line.strip() for line in text.split("\n") if len(line.strip()) >= 24)
    git.wait()
    return lines


def shared(arguments):
    mine = source_lines(arguments.repository)
    for other in arguments.others:
        common = len(mine & source_lines(other))
        print(f"{100 * common / max(1, len(mine)):5.2f} % of {len(mine)} lines of {arguments.repository} are in {other}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    command.add_argument("binary")
    command.add_argument("output")
    command.add_argument("repositories", nargs="+")
    command.add_argument("--jobs", type=int, default=1, help="servers at once")
    command.add_argument("--cursors", type=int, default=1_000)
    command.add_argument("--ablation-cursors", type=int, default=300)
    command.add_argument("--tokens", type=int, default=4_096)
    command.add_argument("--threads", type=int)
    command.add_argument("--seed", type=int, default=6)
    command.set_defaults(function=run)
    command = commands.add_parser("table")
    command.add_argument("output")
    command.set_defaults(function=table)
    command = commands.add_parser("shared")
    command.add_argument("repository")
    command.add_argument("others", nargs="+")
    command.set_defaults(function=shared)
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    main()
