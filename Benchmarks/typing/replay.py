"""Replays a trace against an editor's side of a completion program, each event at its time.

An `Editor` (language_server.py, llama_vim.py) turns events into what its program gets, and notes for each request what
was shown when. Here is only the clock and what both note.
"""

import dataclasses
import time

import typing_trace
import workspace

# How long the last answers are waited for; a request without one by then was lost.
LAST_ANSWER_SECONDS = 15


@dataclasses.dataclass
class Request:
    """What became of one key: seconds are those of time.monotonic(); None: not happened.

    outcome: items, empty, superseded, cancelled, error, or "" where no answer came by the end.
    """

    event: int
    kind: str
    pause: float
    sent: float
    answered: float = None
    outcome: str = ""
    is_cached: bool = False
    shown: float = None
    text: str = ""
    id: int = None
    computed: int = 0  # prompt tokens read for it, also where it was given up
    reason: str = ""  # why there was nothing, numbers left out

    @property
    def latency_ms(self):
        return None if self.answered is None else (self.answered - self.sent) * 1000

    @property
    def shown_ms(self):
        return None if self.shown is None else (self.shown - self.sent) * 1000

    def as_row(self):
        """For a journal that two programs' runs are compared from."""
        return {
            "event": self.event, "kind": self.kind, "pause": self.pause, "outcome": self.outcome,
            "cached": self.is_cached, "latency_ms": _rounded(self.latency_ms), "shown_ms": _rounded(self.shown_ms),
            "length": len(self.text),
        }


def _rounded(value):
    return None if value is None else round(value, 3)


class Typing:
    """The state of a replay: texts, cursor and current file, as the editor has them after each event."""

    def __init__(self, trace, prepared, work_tree):
        self.trace, self.prepared, self.work_tree = trace, prepared, work_tree
        self.texts = list(trace.texts)
        self.file = trace.events[0].file
        self.cursors = [0] * len(self.texts)
        self.is_modified = [False] * len(self.texts)
        self.lateness = []
        self.checkout_files = 0

    def run(self, editor):
        start = time.monotonic()
        for index, event in enumerate(self.trace.events):
            editor.wait_until(start + event.time)
            self.lateness.append(time.monotonic() - start - event.time)
            self._do(index, event, editor)
        last = self.trace.events[-1]
        editor.wait_until(start + last.time + max(last.pause, 2.0))
        until = time.monotonic() + LAST_ANSWER_SECONDS
        while editor.unanswered and time.monotonic() < until:
            editor.wait_until(time.monotonic() + 0.05)

    def _do(self, index, event, editor):
        if event.action == "switch":
            left, self.file = self.file, event.file
            editor.switch(left, event.file)
        elif event.action == "save":
            path = f"{self.work_tree}/{self.trace.names[event.file]}"
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(self.texts[event.file])
            self.is_modified[event.file] = False
            editor.save(event.file)
        elif event.action == "checkout":
            self.checkout_files = workspace.checkout(self.prepared, self.work_tree)
        else:
            self._edit(index, event, editor)

    def _edit(self, index, event, editor):
        before = self.texts[event.file]
        self.file = event.file
        self.cursors[event.file] = typing_trace.cursor_after(event)
        typing_trace.apply(self.texts, event)
        if event.action != "cursor":
            self.is_modified[event.file] = True
        editor.edit(index, event, before)


def line_and_column(text, offset):
    """Zero-based line, and the column in UTF-16 units as LSP counts it."""
    line_start = text.rfind("\n", 0, offset) + 1
    column = text[line_start:offset]
    return text.count("\n", 0, line_start), len(column.encode("utf-16-le")) // 2
