"""A typing session as a list of timed edits, made from a seed and the real text of files.

It takes pieces out of the files and types them back in, as somebody does who knows what to write: runs of keys, slips
that are deleted, pauses, words and lines that are accepted whole, jumps, edits above the cursor, changes of file, saves
and one checkout. Every change has its place in the text, so two programs that replay a trace have the same text at every
key. It knows no protocol and measures nothing.
"""

import dataclasses
import gzip
import hashlib
import json
import random

# Seconds. A hundred words a minute are 0.12 s a key; people are faster within words and slower between them.
KEY_MEDIAN, KEY_SPREAD, KEY_RANGE = 0.105, 0.35, (0.04, 0.6)
WORD_PAUSE = (0.03, 0.12)
SYNTAX_PAUSE = (0.1, 0.45)
LINE_PAUSE = (0.2, 0.9)
THINKING_PAUSE = (0.8, 3.0)
READING_PAUSE = (0.5, 1.2)

SLIP_SHARE = 0.015  # of keys
THINK_SHARE = 0.012
ACCEPT_SHARE = 0.15  # of the pauses in which a suggestion could be read
HOLE_LINES = (3, 9)
HOLE_GAP_LINES = 9
ABOVE_LINES = (8, 220)


@dataclasses.dataclass
class Event:
    """One thing that the typist does, `time` seconds after the start.

    action: insert, delete, cursor, switch, save, checkout. kind: key, slip, erase, accept, above, paste, jump.
    offset: characters from the start of the text; of a deletion the first one deleted. text: inserted. count: deleted.
    pause: seconds until the typist's next event.
    """

    time: float
    action: str
    file: int = 0
    offset: int = 0
    text: str = ""
    count: int = 0
    kind: str = ""
    pause: float = 0.0


@dataclasses.dataclass
class Hole:
    """A place where text is missing, and what is missing."""

    offset: int
    rest: str


class Document:
    """The text of one file while it is typed in, and where its holes are by now."""

    def __init__(self, true_text, rng, hole_count):
        self.holes = []
        lines = true_text.splitlines(keepends=True)
        places = self._hole_lines(lines, rng, hole_count)
        kept, position = [], 0
        for start, end in places:
            kept.append("".join(lines[position:start]))
            body = "".join(lines[start:end])
            # The line before the hole keeps its end, the hole's last line has none: the cursor's line is empty.
            self.holes.append(Hole(sum(map(len, kept)), body.rstrip("\n")))
            kept.append("\n" * (len(body) - len(body.rstrip("\n"))))
            position = end
        kept.append("".join(lines[position:]))
        self.text = "".join(kept)
        self.initial = self.text

    @staticmethod
    def _hole_lines(lines, rng, hole_count):
        """Ranges of lines, in order, far enough from each other, of code rather than of nothing."""
        chosen = []
        for _ in range(hole_count * 20):
            if len(chosen) == hole_count:
                break
            length = rng.randint(*HOLE_LINES)
            start = rng.randint(12, max(12, len(lines) - length - 3))
            end = start + length
            if end >= len(lines) or not lines[start].strip() or not lines[end - 1].strip():
                continue
            if all(end + HOLE_GAP_LINES < other[0] or other[1] + HOLE_GAP_LINES < start for other in chosen):
                chosen.append((start, end))
        return sorted(chosen)

    def cut(self, rng):
        """A new hole where text was, as somebody makes who writes a piece anew; None where no place is found."""
        lines = self.text.splitlines(keepends=True)
        open_lines = {self.text.count("\n", 0, hole.offset) for hole in self.holes if hole.rest}
        for _ in range(50):
            length = rng.randint(*HOLE_LINES)
            start = rng.randint(12, max(12, len(lines) - length - 3))
            end = start + length
            if end >= len(lines) or not lines[start].strip() or not lines[end - 1].strip():
                continue
            if any(start - HOLE_GAP_LINES <= line <= end + HOLE_GAP_LINES for line in open_lines):
                continue
            offset = sum(map(len, lines[:start]))
            hole = Hole(offset, "".join(lines[start:end]).rstrip("\n"))
            self.holes = [other for other in self.holes if other.rest] + [hole]
            return hole
        return None

    def insert(self, offset, text, active=None):
        self.text = self.text[:offset] + text + self.text[offset:]
        for hole in self.holes:
            if hole.offset > offset or (hole.offset == offset and (hole is active or active is None)):
                hole.offset += len(text)

    def delete(self, offset, count):
        self.text = self.text[:offset] + self.text[offset + count :]
        for hole in self.holes:
            if hole.offset >= offset + count:
                hole.offset -= count


class Typist:
    """One person in one or more of the files. Appends to `events` until `end`."""

    def __init__(self, documents, files, rng, end, checkout_time):
        self.documents, self.files, self.rng, self.end = documents, files, rng, end
        self.checkout_time = checkout_time
        self.events = []
        self.time = 1.0
        self.file = files[0]
        self.unsaved = set()

    # ---------------------------------------------------------------------------------------------- time

    def _uniform(self, limits):
        return limits[0] + (limits[1] - limits[0]) * self.rng.random()

    def _key_time(self):
        value = KEY_MEDIAN * 2.718281828 ** (KEY_SPREAD * self.rng.gauss(0, 1))
        return min(max(value, KEY_RANGE[0]), KEY_RANGE[1])

    def _emit(self, action, **fields):
        self.events.append(Event(round(self.time, 4), action, self.file, **fields))

    # ---------------------------------------------------------------------------------------------- edits

    def _insert(self, offset, text, kind, active=None):
        self.documents[self.file].insert(offset, text, active)
        self._emit("insert", offset=offset, text=text, kind=kind)
        self.unsaved.add(self.file)

    def _delete(self, offset, count, kind):
        self.documents[self.file].delete(offset, count)
        self._emit("delete", offset=offset, count=count, kind=kind)
        self.unsaved.add(self.file)

    def _next_key(self, rest):
        """What one key inserts: a character, or a line's end with the next line's indentation."""
        if rest[0] != "\n":
            return rest[0]
        end = 1
        while end < len(rest) and rest[end] in " \t":
            end += 1
        return rest[:end]

    def _slip(self, hole):
        wrong = self.rng.choice("asdfertiolnm")
        if hole.rest[0] == wrong or hole.rest[0] == "\n":
            return
        extra = self.rng.randint(0, 2)
        typed = [wrong] + [c for c in hole.rest[:extra] if c not in "\n"]
        for character in typed:
            self._insert(hole.offset, character, "slip", hole)
            self.time += self._key_time()
        self.time += self._uniform((0.15, 0.4))
        for _ in typed:
            self._delete(hole.offset - 1, 1, "erase")
            self.time += self._key_time() * 0.7

    def _accept(self, hole):
        """A word or the rest of the line, in one piece."""
        line = hole.rest.split("\n", 1)[0]
        if len(line) < 3:
            return
        text = line
        if self.rng.random() < 0.5:
            end = 1
            while end < len(line) and (line[end].isalnum() or line[end] == "_"):
                end += 1
            text = line[:end]
        self._insert(hole.offset, text, "accept", hole)
        hole.rest = hole.rest[len(text) :]
        self.time += self._uniform((0.25, 0.6))

    def _type(self, hole, seconds):
        """Types until the time is up or the hole is full."""
        until = self.time + seconds
        while hole.rest and self.time < until and self.time < self.end:
            if self.rng.random() < SLIP_SHARE:
                self._slip(hole)
            key = self._next_key(hole.rest)
            self._insert(hole.offset, key, "key", hole)
            hole.rest = hole.rest[len(key) :]
            self.time += self._key_time()
            pause = 0.0
            if key[0] == "\n":
                pause = self._uniform(LINE_PAUSE)
            elif key in "(.,:=[{\"'":
                pause = self._uniform(SYNTAX_PAUSE) if self.rng.random() < 0.5 else 0.0
            elif key == " ":
                pause = self._uniform(WORD_PAUSE)
            if self.rng.random() < THINK_SHARE:
                pause += self._uniform(THINKING_PAUSE)
            self.time += pause
            if pause > 0.2 and hole.rest and self.rng.random() < ACCEPT_SHARE:
                self.time += 0.3
                self._accept(hole)

    def _line_above(self, document, hole):
        """Start and text of a line of code above the hole that touches no hole; an empty text where none is found."""
        before = document.text[: hole.offset].split("\n")
        for _ in range(10):
            number = len(before) - 1 - self.rng.randint(*ABOVE_LINES)
            if number < 1:
                continue
            start = len("\n".join(before[:number])) + 1
            line = before[number]
            touched = any(start - 1 <= h.offset <= start + len(line) + 1 for h in document.holes if h.rest)
            if len(line.strip()) >= 8 and not touched:
                return start, line
        return 0, ""

    def _edit_above(self, hole):
        """Goes up, rewrites the end of a line or takes a line out and puts it back, and returns."""
        document = self.documents[self.file]
        start, line = self._line_above(document, hole)
        if not line:
            return
        self.time += self._uniform(READING_PAUSE)
        if self.rng.random() < 0.6:
            count = min(len(line.strip()) - 3, self.rng.randint(4, 12))
            end = start + len(line)
            self._emit("cursor", offset=end, kind="jump")
            self.time += self._uniform(READING_PAUSE)
            tail = document.text[end - count : end]
            self._delete(end - count, count, "above")
            self.time += self._uniform((0.2, 0.5))
            for index, character in enumerate(tail):
                self._insert(end - count + index, character, "above")
                self.time += self._key_time()
        else:
            self._emit("cursor", offset=start, kind="jump")
            self.time += self._uniform(READING_PAUSE)
            self._delete(start, len(line) + 1, "above")
            self.time += self._uniform((0.6, 1.4))
            self._insert(start, line + "\n", "paste")
        self.time += self._uniform(READING_PAUSE)
        self._emit("cursor", offset=hole.offset, kind="jump")
        self.time += self._uniform((0.3, 0.8))

    # ---------------------------------------------------------------------------------------------- the session

    def _save(self):
        if self.file in self.unsaved:
            self._emit("save")
            self.unsaved.discard(self.file)
            self.time += self._uniform((0.2, 0.5))

    def _open_hole(self):
        document = self.documents[self.file]
        open_holes = [hole for hole in document.holes if hole.rest]
        hole = self.rng.choice(open_holes[:6]) if open_holes else document.cut(self.rng)
        if hole is None:
            return None
        if not open_holes:
            self._delete(hole.offset, len(hole.rest), "cut")
            self.time += self._uniform(READING_PAUSE)
        self._emit("cursor", offset=hole.offset, kind="jump")
        self.time += self._uniform(READING_PAUSE)
        return hole

    def _switch(self):
        others = [f for f in self.files if f != self.file]
        if not others:
            return
        self._save()
        self.file = self.rng.choice(others)
        self._emit("switch")
        self.time += self._uniform(READING_PAUSE)

    def run(self):
        self._emit("switch")
        self.time += 0.5
        hole = self._open_hole()
        while self.time < self.end:
            if hole is None or not hole.rest:
                self._save()
                if self.rng.random() < 0.4:
                    self._switch()
                hole = self._open_hole()
                if hole is None:
                    self._switch()
                    self.time += 1.0
                    continue
            self._type(hole, self._uniform((4.0, 16.0)))
            if self.checkout_time is not None and self.time >= self.checkout_time:
                self.checkout_time = None
                self._save()
                self.time += 1.0
                self._emit("checkout")
                self.time += 3.0
            what = self.rng.random()
            if what < 0.30:
                self._edit_above(hole)
            elif what < 0.45:
                self._switch()
                hole = None
            elif what < 0.55:
                hole = None
            elif what < 0.65:
                self._save()


class Trace:
    """The events of a session, the texts that it begins with, and the names of the files."""

    def __init__(self, names, texts, events, seed):
        self.names, self.texts, self.events, self.seed = names, texts, events, seed

    @property
    def digest(self):
        """Names two equal traces."""
        return hashlib.sha256(json.dumps(self._plain(), sort_keys=True).encode()).hexdigest()[:16]

    def _plain(self):
        return {
            "names": self.names, "texts": self.texts, "seed": self.seed,
            "events": [dataclasses.astuple(event) for event in self.events],
        }

    def until(self, seconds):
        """The first part of this trace."""
        return Trace(self.names, self.texts, [e for e in self.events if e.time < seconds], self.seed)

    def save(self, path):
        with gzip.GzipFile(path, "wb", mtime=0) as file:
            file.write(json.dumps(self._plain()).encode())

    @classmethod
    def load(cls, path):
        with gzip.open(path) as file:
            plain = json.loads(file.read())
        return cls(plain["names"], plain["texts"], [Event(*e) for e in plain["events"]], plain["seed"])


def make(names, true_texts, seed, minutes, typists=1, checkout=True):
    """The trace of `typists` people (1, or one for each file) in these files.

    true_texts: what the files have in the end, as far as the time goes. Throws ValueError for files that are too
    short to be typed in for so long.
    """
    rng = random.Random(seed)
    end = minutes * 60
    # About 3.2 characters a second are typed, over all.
    needed = end * 3.2 * typists / len(names)
    documents = []
    for name, text in zip(names, true_texts):
        lines = max(1, len(text.splitlines()))
        holes = int(needed / (sum(HOLE_LINES) / 2 * len(text) / lines)) + 3
        document = Document(text, rng, holes)
        if not document.holes:
            raise ValueError(f"{name} is too short to be typed in; choose files of 200 lines or more")
        documents.append(document)
    checkout_time = end * 0.6 if checkout else None
    events = []
    for number in range(typists):
        files = list(range(len(names))) if typists == 1 else [number % len(names)]
        typist = Typist(
            documents, files, random.Random(seed * 1000 + number), end,
            checkout_time if number == 0 else None)
        typist.run()
        own = [e for e in typist.events if e.time < end]
        for event, following in zip(own, own[1:]):
            event.pause = round(following.time - event.time, 4)
        if own:
            own[-1].pause = 5.0
        events += own
    events.sort(key=lambda e: e.time)
    return Trace(names, [d.initial for d in documents], events, seed)


def apply(texts, event):
    """The text of the event's file after it; `texts` is changed."""
    text = texts[event.file]
    if event.action == "insert":
        texts[event.file] = text[: event.offset] + event.text + text[event.offset :]
    elif event.action == "delete":
        texts[event.file] = text[: event.offset] + text[event.offset + event.count :]
    return texts[event.file]


def cursor_after(event):
    """Where the cursor is after an edit or a jump, in characters."""
    return event.offset + (len(event.text) if event.action == "insert" else 0)
