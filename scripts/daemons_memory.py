#!/usr/bin/env python3
"""What N daemons on one repository take together: proportional set sizes after the same few completions in each.

Usage: daemons_memory.py BINARY REPOSITORY [COUNT] [FILES]. Uses a cache directory of its own.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time


def send(process, message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    process.stdin.flush()


def answer(process, request):
    while True:
        header = b""
        while not header.endswith(b"\r\n\r\n"):
            header += process.stdout.read(1)
        length = int(header.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        message = json.loads(process.stdout.read(length))
        if message.get("id") == request and "method" not in message:
            return message


def proportional_kib(process):
    for line in pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def main():
    binary, repository = os.path.abspath(sys.argv[1]), os.path.realpath(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    file_count = int(sys.argv[4]) if len(sys.argv) > 4 else 8
    listed = subprocess.run(
        ["git", "-C", repository, "ls-files", "*.swift", "*.py"], capture_output=True, text=True, check=True)
    paths = sorted(listed.stdout.split(), key=lambda p: -os.path.getsize(f"{repository}/{p}"))[:file_count]
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, XDG_CACHE_HOME=f"{folder}/cache", XDG_RUNTIME_DIR=f"{folder}/run")
        os.mkdir(f"{folder}/run", 0o700)
        daemons = []
        for number in range(count):
            process = subprocess.Popen(
                [binary, "serve", "--log-level", "error", "--context-tokens", "4096", "--answer-within", "0"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
            daemons.append(process)
            send(process, {"id": 0, "method": "initialize", "params": {
                "processId": None, "rootUri": f"file://{repository}", "capabilities": {}}})
            answer(process, 0)
            send(process, {"method": "initialized", "params": {}})
            for request, path in enumerate(paths, 1):
                text = pathlib.Path(f"{repository}/{path}").read_text()
                uri = f"file://{repository}/{path}"
                send(process, {"method": "textDocument/didOpen", "params": {"textDocument": {
                    "uri": uri, "languageId": path.rsplit(".")[-1], "version": 1, "text": text}}})
                send(process, {"id": request, "method": "textDocument/inlineCompletion", "params": {
                    "textDocument": {"uri": uri}, "position": {"line": text.count("\n") // 2, "character": 0},
                    "context": {"triggerKind": 2}}})
                answer(process, request)
            time.sleep(12)  # prompts are stored after a while without activity, and their files mapped
            sizes = [proportional_kib(process) >> 10 for process in daemons]
            print(f"{number + 1} daemons: {sum(sizes)} MiB together, each {sizes}", flush=True)
        for process in daemons:
            process.kill()
            process.wait()


main()
