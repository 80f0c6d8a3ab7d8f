#!/usr/bin/env python3
"""How good the first completion in a file is, which comes behind context that was read for other files, and how soon it
comes, against the second one behind the file's own context.

Usage: first-completion.py BINARY JOURNAL REPOSITORY [CONTEXT_TOKENS [LIMIT]]

JOURNAL is the journal of `foretoken eval repo REPOSITORY --kinds rest_of_line,line,span`: its cases are asked one after
the other of one `foretoken serve`, as an editor would that opens their files. Exact match is eval's for single lines.
"""

import json
import os
import queue
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

READ_AHEAD_SECONDS = 60


class Daemon:
    """A language server on pipes, with its log."""

    def __init__(self, binary, repository, context_tokens):
        self.folder = tempfile.TemporaryDirectory()
        environment = dict(os.environ, XDG_CACHE_HOME=self.folder.name, XDG_RUNTIME_DIR=self.folder.name)
        self.process = subprocess.Popen(
            [binary, "serve", "--log-level", "debug", "--disk-cache", "off",
             "--context-tokens", str(context_tokens), "--answer-within", "0"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        self.log = queue.Queue()
        threading.Thread(target=self.read_log, daemon=True).start()
        self.count = 0
        self.request("initialize", {"processId": None, "rootUri": f"file://{repository}", "capabilities": {}})
        self.notify("initialized", {})

    def read_log(self):
        for line in self.process.stderr:
            self.log.put(line.decode())

    def notify(self, method, params):
        self.send({"method": method, "params": params})

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def request(self, method, params):
        self.count += 1
        self.send({"id": self.count, "method": method, "params": params})
        while True:
            header = b""
            while not header.endswith(b"\r\n\r\n"):
                header += self.process.stdout.read(1)
            length = int(re.search(rb"(?i)content-length: *(\d+)", header)[1])
            message = json.loads(self.process.stdout.read(length))
            if message.get("id") == self.count and "method" not in message:
                return message.get("result")

    def wait_for(self, text):
        """The next line of the log with `text`; None where it does not come."""
        end = time.monotonic() + READ_AHEAD_SECONDS
        while time.monotonic() < end:
            try:
                line = self.log.get(timeout=1)
            except queue.Empty:
                continue
            if text in line:
                return line
        return None


def position(text):
    line = text.count("\n")
    return {"line": line, "character": len(text[text.rfind("\n") + 1:].encode("utf-16-le")) // 2}


def number(line, name):
    found = re.search(rf"\b{name}[=:] ?\"?([0-9.]+)", line or "")
    return float(found[1]) if found else float("nan")


def is_match(expected, got):
    return expected.strip() == got.strip().split("\n")[0].rstrip()


def ask(daemon, uri, at):
    start = time.monotonic()
    result = daemon.request("textDocument/inlineCompletion", {
        "textDocument": {"uri": uri}, "position": at, "context": {"triggerKind": 2}})
    elapsed = 1_000 * (time.monotonic() - start)
    items = (result or {}).get("items", []) if isinstance(result, dict) else result or []
    log = daemon.wait_for(" completion")
    computed = number(log, "prompt_tokens") - number(log, "reused_tokens")
    return (items[0]["insertText"] if items else ""), elapsed, computed


def main():
    binary, journal, repository = os.path.abspath(sys.argv[1]), sys.argv[2], os.path.realpath(sys.argv[3])
    context_tokens = int(sys.argv[4]) if len(sys.argv) > 4 else 4_096
    limit = int(sys.argv[5]) if len(sys.argv) > 5 else 1_000
    records = [json.loads(line) for line in open(journal)]
    cases = {record["id"]: record for record in records if "expected" in record and not record.get("error")}
    daemon = Daemon(binary, repository, context_tokens)
    first, second, seen = [], [], set()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(print_summary(first, second)))
    for case in list(cases.values())[:limit]:
        text = open(f"{repository}/{case['path']}", encoding="utf-8", newline="").read()
        lines = text.encode().split(b"\n")
        offset = sum(len(line) + 1 for line in lines[:case["line"] - 1]) + case["column"] - 1
        prefix, rest = text.encode()[:offset], text.encode()[offset:]
        expected = case["expected"].encode()
        if case["path"] in seen or not rest.startswith(expected):
            continue
        seen.add(case["path"])
        uri = f"file://{repository}/{case['path']}"
        document = (prefix + rest[len(expected):]).decode()
        daemon.notify("textDocument/didOpen", {"textDocument": {
            "uri": uri, "languageId": case["language"], "version": 1, "text": document}})
        at = position(prefix.decode())
        answers = [ask(daemon, uri, at)]
        daemon.wait_for("read ahead")
        # Another text, so that what was suggested before is not remembered.
        daemon.notify("textDocument/didChange", {
            "textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": document + "\n"}]})
        daemon.wait_for("read ahead")
        answers.append(ask(daemon, uri, at))
        daemon.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        if len(seen) > 1:  # the first of all has nothing to come behind
            for results, (got, elapsed, computed) in zip((first, second), answers):
                results.append((is_match(case["expected"], got), elapsed, computed))
    daemon.process.kill()
    print_summary(first, second)


def print_summary(first, second):
    """Also what there is when the time is up."""
    for name, results in (("first", first), ("second", second[:len(first)])):
        if not results:
            return
        print(f"{name}: exact match {100 * statistics.mean(r[0] for r in results):.1f} % of {len(results)}, "
              f"median {statistics.median(r[1] for r in results):.0f} ms, "
              f"{statistics.median(r[2] for r in results):.0f} tokens computed")
    better = sum(a[0] > b[0] for a, b in zip(first, second))
    worse = sum(a[0] < b[0] for a, b in zip(first, second))
    print(f"first right and second wrong {better}, the other way round {worse}")


main()
