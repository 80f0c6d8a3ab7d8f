"""An editor's side of the Language Server Protocol for `foretoken serve`: edits and requests at once, without a pause
of its own, as the editors do that ask most. Answers are timed when they are read.
"""

import bisect
import json
import os
import pathlib
import queue
import re
import subprocess
import threading
import time

import processes
import replay

LANGUAGES = {".py": "python", ".swift": "swift", ".go": "go", ".ts": "typescript", ".js": "javascript",
             ".rs": "rust", ".c": "c", ".h": "c", ".cpp": "cpp", ".java": "java", ".kt": "kotlin", ".cs": "csharp"}
# A model's run and its answer come through two pipes; their times may cross by so much.
LOG_DELAY = 0.02


class Daemon:
    """One `foretoken serve` with caches and settings of its own."""

    def __init__(self, binary, work_tree, state, arguments=(), cpus=None, library_path=None, log=None):
        """`log`: a file for everything the daemon says, each line after the seconds since its start."""
        environment = dict(os.environ)
        if library_path:
            environment["LD_LIBRARY_PATH"] = library_path
        for name in ("CACHE", "CONFIG", "STATE", "DATA"):
            environment[f"XDG_{name}_HOME"] = f"{state}/{name.lower()}"
        environment["XDG_RUNTIME_DIR"] = f"{state}/run"
        os.makedirs(f"{state}/run", mode=0o700)
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(name, None)
        self.process = processes.start(
            [binary, "serve", "--log-level", "debug", *arguments], cpus, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.work_tree = os.path.realpath(work_tree)
        self.messages = queue.SimpleQueue()
        self.runs, self.ahead, self.warnings = [], [], []
        self._log, self._began = log, time.monotonic()
        self.reasons = {}  # request id: why it was answered with nothing
        self._next_id = 0
        self.on_answer = None
        for target in (self._read, self._read_log):
            threading.Thread(target=target, daemon=True).start()

    # ---------------------------------------------------------------------------------------------- messages

    def send(self, method, params, request=None):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if request is not None:
            message["id"] = request
        self._write(message)

    def _write(self, message):
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def new_id(self):
        self._next_id += 1
        return self._next_id

    def ask(self, method, params, timeout=60):
        """The response, waiting for it."""
        request = self.new_id()
        self.send(method, params, request)
        until = time.monotonic() + timeout
        while True:
            message = self.messages.get(timeout=max(0.01, until - time.monotonic()))
            if message.get("id") == request:
                return message

    def _read(self):
        stream = self.process.stdout
        while True:
            length = None
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if length is None:
                self.messages.put({"end": True})
                return
            body = stream.read(length)
            now = time.monotonic()
            message = json.loads(body)
            if "method" in message:
                if "id" in message:  # the server asks, for instance to show progress
                    self._write({"jsonrpc": "2.0", "id": message["id"], "result": None})
            elif self.on_answer is None or not self.on_answer(message, now):
                self.messages.put(message)

    def _read_log(self):
        answered = None
        for line in self.process.stderr:
            now, text = time.monotonic(), line.decode(errors="replace")
            if self._log:
                self._log.write(f"{now - self._began:.3f} {text}")
            values = dict(re.findall(r"(\w+)=([^\s\"]+)", text))
            if "outcome" in values:
                answered = values["id"]
            elif "no completion: " in text:  # follows the line about its answer
                self.reasons[answered] = text.split("no completion: ", 1)[1].strip()
            elif "stop_reason" in values:
                self.runs.append({"time": now, **values})
            elif "computed" in values:
                self.ahead.append({"time": now, **values})
            elif re.search(r"\b(warning|error|critical)\b", text) and len(self.warnings) < 50:
                self.warnings.append(text.strip())

    # ---------------------------------------------------------------------------------------------- a session

    def initialize(self):
        self.ask("initialize", {
            "processId": os.getpid(), "clientInfo": {"name": "typing benchmark"},
            "rootUri": pathlib.Path(self.work_tree).as_uri(),
            "capabilities": {"general": {"positionEncodings": ["utf-16"]}, "window": {"workDoneProgress": True},
                             "textDocument": {"inlineCompletion": {}}}})
        self.send("initialized", {})

    def uri(self, name):
        return pathlib.Path(self.work_tree, name).as_uri()

    def open(self, name, text):
        self.send("textDocument/didOpen", {"textDocument": {
            "uri": self.uri(name), "languageId": LANGUAGES.get(pathlib.Path(name).suffix, "plaintext"),
            "version": 1, "text": text}})

    def complete(self, name, position, request, is_asked=False):
        """`is_asked`: by a user, who waits for the answer as long as it takes."""
        self.send("textDocument/inlineCompletion", {
            "textDocument": {"uri": self.uri(name)}, "position": position,
            "context": {"triggerKind": 1 if is_asked else 2}}, request)

    def stop(self):
        """The exit code."""
        self.on_answer = None
        self.ask("shutdown", None)
        self.send("exit", None)
        return self.process.wait(timeout=30)


class LanguageServerEditor:
    """Replays a trace's events into a daemon."""

    def __init__(self, daemon, typing):
        self.daemon, self.typing = daemon, typing
        self.requests = []
        self.accepted = {"whole": 0, "partial": 0, "other": 0}
        self._lock = threading.Lock()
        self._pending = {}  # request id: (Request, file)
        self._latest = {}  # file: request id
        self._items = {}  # file: (text, item) that is shown
        self._versions = [1] * len(typing.texts)
        daemon.on_answer = self._answered

    def open_all(self):
        for name, text in zip(self.typing.trace.names, self.typing.texts):
            self.daemon.open(name, text)

    def wait_until(self, moment):
        delay = moment - time.monotonic()
        if delay > 0:
            time.sleep(delay)

    def switch(self, left, entered):
        """Editors cancel what they asked for in a buffer that is left."""
        if left != entered:
            self._items.pop(left, None)
            request = self._latest.pop(left, None)
            if request is not None and request in self._pending:
                self.daemon.send("$/cancelRequest", {"id": request})

    def save(self, file):
        self.daemon.send("textDocument/didSave", {"textDocument": {"uri": self._uri(file)}})

    def _uri(self, file):
        return self.daemon.uri(self.typing.trace.names[file])

    def edit(self, index, event, before):
        if event.kind == "accept":
            self._tell_accepted(event)
        if event.action != "cursor":
            start = replay.line_and_column(before, event.offset)
            end = replay.line_and_column(before, event.offset + event.count)
            self._versions[event.file] += 1
            self.daemon.send("textDocument/didChange", {
                "textDocument": {"uri": self._uri(event.file), "version": self._versions[event.file]},
                "contentChanges": [{"range": {"start": _position(start), "end": _position(end)}, "text": event.text}]})
        self._ask(index, event)

    def _ask(self, index, event):
        place = replay.line_and_column(self.typing.texts[event.file], self.typing.cursors[event.file])
        number = self.daemon.new_id()
        request = replay.Request(index, event.kind, event.pause, time.monotonic())
        with self._lock:
            self.requests.append(request)
            self._pending[number] = (request, event.file)
            self._latest[event.file] = number
            self._items.pop(event.file, None)
        self.daemon.complete(self.typing.trace.names[event.file], _position(place), number)

    def _tell_accepted(self, event):
        """What editors do when the user takes a suggestion, where the text that the trace takes was suggested."""
        text, item = self._items.get(event.file, (None, None))
        if text == event.text:
            self.accepted["whole"] += 1
            if command := item.get("command"):
                self.daemon.send("workspace/executeCommand", {
                    "command": command["command"], "arguments": command.get("arguments")}, self.daemon.new_id())
        elif text and text.startswith(event.text):
            self.accepted["partial"] += 1
            self.daemon.send("textDocument/didPartiallyAcceptCompletion", {
                "item": item, "acceptedLength": len(event.text.encode("utf-16-le")) // 2})
        else:
            self.accepted["other"] += 1

    def _answered(self, message, now):
        """Called by the thread that reads; true for an answer to one of the requests here."""
        with self._lock:
            request, file = self._pending.pop(message.get("id"), (None, None))
            if request is None:
                return False
            request.answered = now
            is_latest = self._latest.get(file) == message["id"]
            result = message.get("result")
            items = result.get("items") if isinstance(result, dict) else result
            if "error" in message:
                request.outcome = "cancelled" if message["error"]["code"] == -32800 else "error"
            elif items:
                request.outcome, request.text = "items", items[0]["insertText"]
                if is_latest:
                    request.shown = now
                    self._items[file] = (request.text, items[0])
            else:
                request.outcome = "empty" if is_latest else "superseded"
            request.id = message["id"]
            return True

    def finish(self):
        """Says of each answer whether the model ran for it, and what was read: after the last answer."""
        sent = [request.sent for request in self.requests]
        for run in self.daemon.runs:
            took = sum(float(run.get(f"{part}_ms", 0)) for part in ("context", "waited", "prefill", "decode")) / 1000
            # The last request before the run began is the one that it was for.
            index = bisect.bisect_right(sent, run["time"] - took) - 1
            if index >= 0:
                self.requests[index].computed += int(run.get("computed_tokens", 0))
        times = [run["time"] for run in self.daemon.runs if run["stop_reason"] != "cancelled"]
        for request in self.requests:
            if request.outcome in ("items", "empty"):
                request.is_cached = not any(
                    request.sent <= moment <= request.answered + LOG_DELAY for moment in _near(times, request))
            if request.outcome == "empty":
                request.reason = re.sub(r"[\d.]+", "…", self.daemon.reasons.get(str(request.id), "not said"))

    @property
    def unanswered(self):
        return len(self._pending)


def _near(times, request):
    """The times that may lie in a request's span; `times` ascend."""
    first = bisect.bisect_left(times, request.sent)
    last = bisect.bisect_right(times, request.answered + LOG_DELAY)
    return times[first:last]


def _position(place):
    return {"line": place[0], "character": place[1]}
