#!/usr/bin/env python3
"""Judges the choice of context on real repositories, through the language server as an editor sees it.

  context_quality.py run BINARY OUTPUT REPOSITORY...   completions, one journal line each (--shard k/n)
  context_quality.py merge OUTPUT                      the table, from all journals in OUTPUT
  context_quality.py shared REPOSITORY OTHER...        which share of a repository's lines stands in each other one

At each cursor the rest of a line is taken away and asked for; it counts when the first line that comes back is the
same, blanks at the end aside. Cursors are drawn with a seed from the files that git tracks: half at the first
character of a line, half at the start of a word in it; comment lines and very short rests are left out. The
settings: no context, the same folder alone, all signals, and all but one. Needs Python 3.9 and git.
"""

import argparse
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tarfile

SIGNALS = ["imports", "definitions", "history", "recent", "lexical", "same-folder", "sibling", "path"]
ENDINGS = set(".py .go .rs .js .ts .tsx .c .h .cpp .cc .hpp .java .cs .kt .swift".split())
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
        self.process = subprocess.Popen([binary, "serve", "--log-level", "error"] + options, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.number = 0
        uri = pathlib.Path(root).as_uri()
        self.call("initialize", {"processId": None, "rootUri": uri, "capabilities": {},
                                 "workspaceFolders": [{"uri": uri, "name": os.path.basename(root)}]})
        self.send("initialized", {})

    def send(self, method, params, **more):
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def receive(self):
        length = 0
        while (line := self.process.stdout.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length"):
                length = int(line.split(b":")[1])
        return json.loads(self.process.stdout.read(length))

    def call(self, method, params):
        self.number += 1
        self.send(method, params, id=self.number)
        while (answer := self.receive()).get("id") != self.number or "method" in answer:
            pass
        if "error" in answer:
            sys.exit(f"{method}: {answer['error']['message']}")
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
        self.process.stdin.close()
        self.process.wait()


def run(arguments):
    shard, shards = (int(part) for part in arguments.shard.split("/"))
    os.makedirs(arguments.output, exist_ok=True)
    journal = pathlib.Path(arguments.output, f"journal-{shard}-of-{shards}.jsonl")
    records = map(json.loads, journal.open()) if journal.exists() else []
    done = {(record["repository"], record["number"], record["setting"]) for record in records}
    each = math.ceil(arguments.cursors / len(arguments.repositories))
    each_ablation = math.ceil(arguments.ablation_cursors / len(arguments.repositories))
    with journal.open("a") as out:
        for root in map(os.path.abspath, arguments.repositories):
            name = os.path.basename(root)
            cursors = draw(root, each, arguments.seed)
            commits = subprocess.run(["git", "-C", root, "rev-list", "--count", "HEAD"], capture_output=True).stdout
            for setting, options in SETTINGS.items():
                count = each_ablation if setting.startswith("without") else each
                mine = [number for number in range(min(count, len(cursors)))
                        if number % shards == shard - 1 and (name, number, setting) not in done]
                if not mine:
                    continue
                client = Client(arguments.binary, root, ["--context-tokens", str(arguments.tokens)] + options
                                + (["--threads", str(arguments.threads)] if arguments.threads else []))
                for number in mine:
                    path, line, column = cursors[number]
                    path = os.path.join(root, path)
                    lines = pathlib.Path(path).read_text().split("\n")
                    expected = lines[line][column:].rstrip()
                    lines[line] = lines[line][:column]
                    units = len(lines[line].encode("utf-16-le")) // 2
                    got = client.complete(path, "\n".join(lines), line, units)
                    out.write(json.dumps({
                        "repository": name, "number": number, "setting": setting, "exact": got == expected,
                        "history": int(commits or 0) > 1, "tokens": arguments.tokens}) + "\n")
                    out.flush()
                client.end()


def interval(hits, count):
    """Wilson's 95 % interval of a share, in percent."""
    if not count:
        return 0.0, 0.0
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return 100 * (middle - half), 100 * (middle + half)


def paired(first, second):
    """Wins of the second, losses, and the two-sided p-value of McNemar's exact test."""
    keys = first.keys() & second.keys()
    wins = sum(second[key] and not first[key] for key in keys)
    losses = sum(first[key] and not second[key] for key in keys)
    tail = sum(math.comb(wins + losses, number) for number in range(min(wins, losses) + 1))
    return wins, losses, min(1.0, 2 * tail / 2 ** (wins + losses)) if wins + losses else 1.0


def merge(arguments):
    results = {}
    names = {}
    for journal in sorted(pathlib.Path(arguments.output).glob("journal-*.jsonl")):
        for record in map(json.loads, journal.open()):
            results.setdefault(record["setting"], {})[record["repository"], record["number"]] = record["exact"]
            names[record["repository"]] = record["history"]

    def row(label, setting, base, chosen=lambda name: True):
        mine = {key: value for key, value in results.get(setting, {}).items() if chosen(key[0])}
        if not mine:
            return
        low, high = interval(sum(mine.values()), len(mine))
        text = f"| {label} | {len(mine)} | {100 * sum(mine.values()) / len(mine):.1f} | {low:.1f}–{high:.1f} |"
        if base:
            other = {key: value for key, value in results.get(base, {}).items() if key in mine}
            wins, losses, p = paired(other, mine)
            common = len(other.keys() & mine.keys())
            text += f" {100 * (wins - losses) / max(1, common):+.1f} (+{wins} −{losses}) | {p:.2g} |"
        else:
            text += " | |"
        print(text)

    print("| setting | cursors | exact match % | 95 % | against | paired p |\n|---|---|---|---|---|---|")
    row("none", "none", None)
    row("same folder, against none", "same-folder", "none")
    row("full, against none", "full", "none")
    row("full, against same folder", "full", "same-folder")
    for signal in SIGNALS:
        # A signal that reads history is judged where there is one.
        chosen = (lambda name: names[name]) if signal == "history" else (lambda name: True)
        row(f"without {signal}, against full", f"without {signal}", "full", chosen)
    print("\n| repository | history | cursors | none | same folder | full |\n|---|---|---|---|---|---|")
    for name in sorted(names):
        shares = []
        for setting in ["none", "same-folder", "full"]:
            mine = [value for key, value in results.get(setting, {}).items() if key[0] == name]
            shares.append(f"{100 * sum(mine) / len(mine):.1f}" if mine else "")
        print(f"| {name} | {'yes' if names[name] else 'no'} | {len(mine)} | {' | '.join(shares)} |")


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
    command.add_argument("--shard", default="1/1")
    command.add_argument("--cursors", type=int, default=1_000)
    command.add_argument("--ablation-cursors", type=int, default=300)
    command.add_argument("--tokens", type=int, default=4_096)
    command.add_argument("--threads", type=int)
    command.add_argument("--seed", type=int, default=6)
    command.set_defaults(function=run)
    command = commands.add_parser("merge")
    command.add_argument("output")
    command.set_defaults(function=merge)
    command = commands.add_parser("shared")
    command.add_argument("repository")
    command.add_argument("others", nargs="+")
    command.set_defaults(function=shared)
    arguments = parser.parse_args()
    arguments.function(arguments)


if __name__ == "__main__":
    main()
