"""An editor's side of llama.vim over llama-server, from what that plugin's source does (a1c8e6e of 2026-01-31; the facts
are in README.md). Requests go from this process over one kept connection, where the plugin starts curl for each; so this
is a little faster than the plugin. Suggestions are judged, not drawn.
"""

import collections
import hashlib
import heapq
import http.client
import itertools
import json
import os
import queue
import random
import re
import subprocess
import threading
import time

import processes
import replay

# The plugin's defaults.
PREFIX_LINES, SUFFIX_LINES = 256, 64
PREDICTED_TOKENS = 128
FIRST_PREDICT_MS, PREDICT_MS, PROMPT_MS = 250, 1000, 500
LINE_SUFFIX_LIMIT = 8
RESULT_COUNT = 250
RING_CHUNKS, RING_QUEUE, CHUNK_LINES, RING_SCOPE = 16, 16, 64, 1024
RING_SECONDS, IDLE_SECONDS, RETRY_SECONDS, ENTER_SECONDS = 1.0, 3.0, 0.1, 0.1
PICK_LINES = 32
LOOK_BACK = 128
DROPPED_LINES = 3
SAME_CHUNK, SAME_TEXT = 0.9, 0.5


class Server:
    """One llama-server with the settings of its own `--fim-qwen-*-default` presets."""

    def __init__(self, binary, model, threads, port, cpus=None, arguments=(), log=None):
        command = [binary, "-m", model, "--host", "127.0.0.1", "--port", str(port), "-b", "1024", "-ub", "1024",
                   "-c", "0", "--cache-reuse", "256", "--metrics", *arguments]
        if threads:
            command += ["-t", str(threads), "-tb", str(threads)]
        environment = dict(os.environ)
        folder = os.path.dirname(os.path.abspath(binary))
        environment["LD_LIBRARY_PATH"] = folder + ":" + environment.get("LD_LIBRARY_PATH", "")
        self.port = port
        self.process = processes.start(
            command, cpus, env=environment, stdin=subprocess.DEVNULL, stdout=log or subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL)

    def wait_until_ready(self, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise SystemExit(f"llama-server ended with {self.process.returncode}")
            try:
                if self.request("GET", "/health")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit("llama-server does not become ready")

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def prompt_tokens(self):
        """Tokens of prompts that the server has computed since its start."""
        text = self.request("GET", "/metrics")[1].decode()
        return int(float(re.search(r"^llamacpp:prompt_tokens_total (\S+)", text, re.M).group(1)))

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Results:
    """Answers by what surrounds the cursor, the least recently used dropped."""

    def __init__(self):
        self._kept = collections.OrderedDict()

    @staticmethod
    def key(before, suffix):
        return hashlib.sha256(f"{before}\0{suffix}".encode()).digest()

    def get(self, key):
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key, content):
        self._kept[key] = content
        self._kept.move_to_end(key)
        if len(self._kept) > RESULT_COUNT:
            self._kept.popitem(last=False)

    def known(self, before, suffix):
        """An answer for this cursor, or the rest of one that was typed along; None when there is none."""
        exact = self.get(self.key(before, suffix))
        if exact is not None:
            return exact
        best = None
        for count in range(1, min(LOOK_BACK, len(before)) + 1):
            content = self.get(self.key(before[:-count], suffix))
            if content and content.startswith(before[-count:]) and len(content) > count:
                rest = content[count:]
                if best is None or len(rest) > len(best):
                    best = rest
        return best


class Ring:
    """Pieces of text that go before the cursor's own: those that wait, and those that are sent."""

    def __init__(self, rng):
        self.rng, self.chunks, self.queued, self.evicted = rng, [], [], 0

    def _piece(self, lines):
        """Half a chunk at a random place."""
        first = self.rng.randint(0, max(0, len(lines) - CHUNK_LINES // 2))
        return lines[first : min(first + CHUNK_LINES // 2, len(lines)) + 1]

    def pick(self, lines, name, evict):
        if len(lines) < 3:
            return
        piece = lines if len(lines) + 1 < CHUNK_LINES else self._piece(lines)
        if any(chunk[0] == piece for chunk in self.chunks + self.queued):
            return
        for held in (self.queued, self.chunks):
            # The oldest one is never looked at.
            for index in range(len(held) - 1, 0, -1):
                if similarity(held[index][0], piece) > SAME_CHUNK:
                    if not evict:
                        return
                    del held[index]
                    self.evicted += 1
        if len(self.queued) == RING_QUEUE:
            self.queued.pop(0)
        self.queued.append((piece, name))

    def advance(self):
        """Takes one piece from those that wait; false when there is none."""
        if not self.queued:
            return False
        if len(self.chunks) == RING_CHUNKS:
            self.chunks.pop(0)
        self.chunks.append(self.queued.pop(0))
        return True

    def drop_like(self, lines):
        """What resembles the cursor's surroundings would make the model repeat them."""
        piece = self._piece(lines)
        for index in range(len(self.chunks) - 1, -1, -1):
            if similarity(self.chunks[index][0], piece) > SAME_TEXT:
                del self.chunks[index]
                self.evicted += 1

    def extra(self):
        return [{"text": "\n".join(lines) + "\n", "filename": name} for lines, name in self.chunks]


def similarity(lines, others):
    """Twice the words of `others` that `lines` has, by the words of both."""
    words, other_words = _words(lines), _words(others)
    if not words and not other_words:
        return 1.0
    known = set(words)
    return 2.0 * sum(word in known for word in other_words) / (len(words) + len(other_words))


def _words(lines):
    return re.split(r"\W+", "\n".join(lines))


class Surroundings:
    """What is sent of the file at a cursor; with `added`, as if that had been inserted there."""

    def __init__(self, text, offset, added=""):
        text, offset = text[:offset] + added + text[offset:], offset + len(added)
        line_start = text.rfind("\n", 0, offset) + 1
        line_end = text.find("\n", offset)
        line_end = len(text) if line_end < 0 else line_end
        line = text[line_start:line_end]
        above = text[:line_start].split("\n")[:-1]
        below = text[line_end + 1 :].split("\n")
        if below and below[-1] == "":
            below.pop()
        self.prefix = "\n".join(above[-PREFIX_LINES:]) + "\n"
        self.line_prefix, self.line_suffix = line[: offset - line_start], line[offset - line_start :]
        if not line.strip():
            self.middle, tail, self.indent = "", "", 0
        else:
            self.middle, tail = self.line_prefix, self.line_suffix
            self.indent = len(line) - len(line.lstrip())
        self.suffix = tail + "\n" + "\n".join(below[:SUFFIX_LINES]) + "\n"
        self.below = below
        self.row, self.lines = len(above), above + [line] + below

    def around(self):
        first = max(0, self.row - CHUNK_LINES // 2)
        return self.lines[first : self.row + CHUNK_LINES // 2 + 1]

    def shown(self, content):
        """What of an answer is shown; empty where it only repeats what is there."""
        parts = content.rstrip("\n").split("\n")
        if not (self.line_prefix + self.line_suffix).strip():
            lead = min(len(parts[0]) - len(parts[0].lstrip()), len(self.line_prefix))
            parts[0] = parts[0][lead:]
        if len(parts) > 1 and not parts[0] and parts[1:] == self.below[: len(parts) - 1]:
            return ""
        if len(parts) == 1 and parts[0] == self.line_suffix:
            return ""
        following = next((i for i, line in enumerate(self.below) if line.strip()), None)
        if following is not None and self.line_prefix + parts[0] == self.below[following]:
            after = self.below[following + 1 : following + len(parts)]
            if len(parts) == 1 or parts[1:] == after:
                return ""
            if len(parts) == 2 and after and after[0].startswith(parts[1]):
                return ""
        text = "\n".join(parts)
        return text if text.strip() else ""


class LlamaVimEditor:
    """Replays a trace's events as the plugin would see them. All state belongs to the thread that calls."""

    def __init__(self, server, typing, seed):
        self.server, self.typing = server, typing
        self.requests = []
        self.results, self.ring = Results(), Ring(random.Random(seed))
        self.prompts = []  # of each answer: tokens computed, reused; milliseconds
        self._done = queue.SimpleQueue()
        self._work = queue.SimpleQueue()
        self._timers, self._order = [], itertools.count()
        self._is_busy = False
        self._retry = None
        self._last_move = time.monotonic()
        self._is_inserting = False
        self._picked_row = -9999
        self._current = None  # the request of the last key
        self._sent_count, self._ring_count, self.errors = 0, 0, 0
        # The plugin's background requests go beside the others; the server's one slot puts them in a row.
        self._background = queue.SimpleQueue()
        for work in (self._work, self._background):
            threading.Thread(target=self._post, args=(work,), daemon=True).start()
        self._after(RING_SECONDS, self._ring_update)

    # ---------------------------------------------------------------------------------------------- time

    def _after(self, seconds, action):
        item = [time.monotonic() + seconds, next(self._order), action]
        heapq.heappush(self._timers, item)
        return item

    def wait_until(self, moment):
        """Runs timers and takes answers until then."""
        while True:
            now = time.monotonic()
            if self._timers and self._timers[0][0] <= min(now, moment):
                action = heapq.heappop(self._timers)[2]
                if action:
                    action()
                continue
            if now >= moment:
                return
            until = min([moment] + [timer[0] for timer in self._timers[:1]])
            try:
                answer = self._done.get(timeout=max(0.0, until - now))
            except queue.Empty:
                continue
            self._answered(*answer)

    def _post(self, work):
        """A thread of its own: one request after the other over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        while True:
            keys, body = work.get()
            try:
                connection.request("POST", "/infill", body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                text, status = response.read(), response.status
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                text, status = str(error).encode(), 0
            self._done.put((keys, status, text))

    def ask_once(self, file, offset):
        """A completion outside the trace, waiting for it."""
        here = Surroundings(self.typing.texts[file], offset)
        self.server.request("POST", "/infill", json.dumps(self._body(here, FIRST_PREDICT_MS)))

    # ---------------------------------------------------------------------------------------------- events

    def switch(self, left, entered):
        if left != entered:
            self._pick_here(left)
        self._is_inserting = False
        self._current = None
        self._after(ENTER_SECONDS, lambda: self._pick_here(self.typing.file))

    def save(self, file):
        self._is_inserting = False
        self._pick_here(file)

    def _pick_here(self, file):
        """A piece of what is around the cursor, of a buffer without unsaved changes."""
        if self.typing.is_modified[file]:
            return
        around = Surroundings(self.typing.texts[file], self.typing.cursors[file]).around()
        self.ring.pick(around, self.typing.trace.names[file], evict=True)

    def edit(self, index, event, before):
        self._is_inserting = True
        now = time.monotonic()
        self._current = replay.Request(index, event.kind, event.pause, now)
        self.requests.append(self._current)
        self._last_move = now
        self._try_hint(is_from_cache=True)
        self._ask()

    # ---------------------------------------------------------------------------------------------- suggestions

    def _here(self, added=""):
        file = self.typing.file
        return Surroundings(self.typing.texts[file], self.typing.cursors[file], added)

    def _try_hint(self, is_from_cache=False):
        """Shows what is known for the cursor, then asks for what would follow it."""
        request = self._current
        if request is None or request.shown is not None:
            return
        here = self._here()
        content = self.results.known(here.prefix + here.middle, here.suffix)
        if content is None:
            return
        text = here.shown(content)
        request.answered = request.answered or time.monotonic()
        if not text:
            request.outcome = request.outcome or "empty"
            return
        request.outcome, request.text, request.is_cached = "items", text, is_from_cache
        request.shown = request.answered = time.monotonic()
        self._ask(added=text)

    def _ask(self, added=""):
        """Sends a request unless one is under way; then the cursor of a moment later is tried."""
        if self._is_busy:
            if self._retry is not None:
                self._retry[2] = None
            self._retry = self._after(RETRY_SECONDS, lambda: self._ask(added))
            return
        here = self._here(added)
        if not added and len(here.line_suffix) > LINE_SUFFIX_LIMIT:
            return
        keys, prefix = [Results.key(here.prefix + here.middle, here.suffix)], here.prefix
        for _ in range(DROPPED_LINES):
            prefix = prefix.partition("\n")[2]
            if not prefix:
                break
            keys.append(Results.key(prefix + here.middle, here.suffix))
        if any(self.results.get(key) is not None for key in keys):
            return
        self.ring.drop_like(self._here().around())
        self._is_busy = True
        self._sent_count += 1
        self._work.put((keys, json.dumps(self._body(here, PREDICT_MS if added else FIRST_PREDICT_MS))))
        self._pick_far(here)

    def _body(self, here, predict_ms):
        return {
            "id_slot": 0, "input_prefix": here.prefix, "input_suffix": here.suffix, "input_extra": self.ring.extra(),
            "prompt": here.middle, "n_predict": PREDICTED_TOKENS, "stop": [], "n_indent": here.indent, "top_k": 40,
            "top_p": 0.90, "samplers": ["top_k", "top_p", "infill"], "stream": False, "cache_prompt": True,
            "t_max_prompt_ms": PROMPT_MS, "t_max_predict_ms": predict_ms, "seed": 1,
            "response_fields": ["content", "timings/prompt_n", "timings/cache_n", "timings/prompt_ms",
                                "timings/predicted_n", "timings/predicted_ms", "truncated", "tokens_cached"],
        }

    def _pick_far(self, here):
        """Text farther away than what is sent, when the cursor has moved a good deal."""
        if abs(here.row - self._picked_row) <= PICK_LINES:
            return
        name = self.typing.trace.names[self.typing.file]
        above = here.lines[max(0, here.row - RING_SCOPE) : max(1, here.row - PREFIX_LINES + 1)]
        below_start = min(len(here.lines) - 1, here.row + SUFFIX_LINES)
        self.ring.pick(above, name, evict=False)
        self.ring.pick(here.lines[below_start : below_start + CHUNK_LINES + 1], name, evict=False)
        self._picked_row = here.row

    def _answered(self, keys, status, text):
        if keys is None:
            return  # of the ring
        self._is_busy = False
        if status != 200:
            self.errors += 1
            return
        answer = json.loads(text)
        self.prompts.append({
            "computed": answer.get("timings/prompt_n"), "reused": answer.get("timings/cache_n"),
            "prompt_ms": answer.get("timings/prompt_ms"), "predicted": answer.get("timings/predicted_n"),
            "predicted_ms": answer.get("timings/predicted_ms")})
        for key in keys:
            self.results.put(key, answer.get("content", ""))
        if self._is_inserting:
            self._try_hint()

    # ---------------------------------------------------------------------------------------------- the ring

    def _ring_update(self):
        self._after(RING_SECONDS, self._ring_update)
        if self._is_inserting and time.monotonic() - self._last_move < IDLE_SECONDS:
            return
        if not self.ring.advance():
            return
        self._ring_count += 1
        self._background.put((None, json.dumps({
            "id_slot": 0, "input_prefix": "", "input_suffix": "", "input_extra": self.ring.extra(), "prompt": "",
            "n_predict": 0, "temperature": 0.0, "samplers": [], "stream": False, "cache_prompt": True,
            "t_max_prompt_ms": 1, "t_max_predict_ms": 1, "response_fields": [""]})))

    @property
    def unanswered(self):
        """A key without a suggestion is not waited for: the plugin answers for the newest cursor alone."""
        return 0

    @property
    def counts(self):
        return {"requests": self._sent_count, "background": self._ring_count, "errors": self.errors,
                "chunks": len(self.ring.chunks), "evicted": self.ring.evicted}
