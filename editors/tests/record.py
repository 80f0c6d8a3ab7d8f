#!/usr/bin/env python3
"""Stands between an editor and its server and writes what passes in the format of lsp-fixtures.

    record.py FILE CLIENT COMMAND…

FILE gets the session as JSON Lines, CLIENT is its name there, and the workspace is called /drawing. Bytes pass through unchanged. Everything the editor sends
is in FILE, document text included.
"""

import json
import subprocess
import sys
import threading
import time


def frames(stream):
    while True:
        head, length = b"", None
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.read(1)
            if not byte:
                return
            head += byte
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        yield head, stream.read(length)


class Recorder:
    def __init__(self, path, client):
        self.file, self.client = open(path, "w", encoding="utf-8"), client
        self.lock, self.start, self.has_header = threading.Lock(), time.monotonic(), False

    def write(self, side, body):
        message = json.loads(body)
        with self.lock:
            if not self.has_header:
                self.has_header = True
                params = message.get("params", {})
                folders = params.get("workspaceFolders") or [{}]
                self.root = (folders[0].get("uri") or params.get("rootUri") or "").rstrip("/").removeprefix("file://")
                # A replay's server would wait for this process.
                params["processId"] = None
                self.line({"schema": 1, "client": self.client, "root": "file://" + self.root,
                           "compare": ["result.items.insertText", "result.items.range"]})
            elapsed = int((time.monotonic() - self.start) * 1000)
            self.line({"at_ms": elapsed, "from": side, "message": message})

    def line(self, value):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        # The temporary folder means nothing to whoever reads the recording.
        self.file.write((text.replace(self.root, "/drawing") if self.root else text) + "\n")
        self.file.flush()


def main():
    recorder = Recorder(sys.argv[1], sys.argv[2])
    server = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def pump(source, target, side):
        for head, body in frames(source):
            recorder.write(side, body)
            try:
                target.write(head + body)
                target.flush()
            except BrokenPipeError:
                return

    def from_client():
        pump(sys.stdin.buffer, server.stdin, "client")
        server.stdin.close()

    threading.Thread(target=from_client, daemon=True).start()
    pump(server.stdout, sys.stdout.buffer, "server")
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
