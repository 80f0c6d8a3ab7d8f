"""What the benchmarks rest on: traces that are the same each time and end in real text, and llama.vim's rules."""

import random
import unittest

import figures
import language_server
import llama_vim
import replay
import typing_trace

TEXT = "".join(
    f"def function_{number}(argument, other):\n    value = argument + {number}\n    return value * other\n\n\n"
    for number in range(80))
NAMES = ["a.py", "b.py", "c.py"]


def make(seed=1, **keywords):
    return typing_trace.make(NAMES, [TEXT] * 3, seed, 3, **keywords)


class TraceTests(unittest.TestCase):
    def test_same_seed_same_trace(self):
        self.assertEqual(make().digest, make().digest)
        self.assertNotEqual(make().digest, make(seed=2).digest)

    def test_whole_lines_are_real_at_the_end(self):
        for typists in (1, 3):
            trace = make(typists=typists)
            texts = list(trace.texts)
            for event in trace.events:
                typing_trace.apply(texts, event)
            real = set(TEXT.splitlines())
            for text in texts:
                # A line may be unfinished where a typist stopped, no more than one for each file and typist.
                unreal = [line for line in text.splitlines() if line not in real]
                self.assertLessEqual(len(unreal), 3, unreal)

    def test_has_all_kinds(self):
        kinds = {(event.action, event.kind) for event in make().events}
        for kind in (("insert", "key"), ("insert", "accept"), ("delete", "erase"), ("delete", "above"),
                     ("cursor", "jump"), ("switch", ""), ("save", ""), ("checkout", "")):
            self.assertIn(kind, kinds)

    def test_times_ascend_and_pauses_fit(self):
        events = make().events
        for event, following in zip(events, events[1:]):
            self.assertAlmostEqual(event.time + event.pause, following.time, places=3)

    def test_too_short(self):
        with self.assertRaises(ValueError):
            typing_trace.make(NAMES, ["a\n"] * 3, 1, 1)

    def test_columns_are_utf16(self):
        self.assertEqual(replay.line_and_column("ab\nc\U0001d4b3d", 5), (1, 3))


class FigureTests(unittest.TestCase):
    def test_percentiles(self):
        self.assertEqual(figures.percentile([4, 1, 3, 2], 0.5), 2)
        self.assertEqual(figures.percentile(list(range(1, 101)), 0.95), 95)
        self.assertIsNone(figures.percentile([], 0.5))

    def test_cached_is_what_no_model_ran_for(self):
        class Daemon:
            runs = [
                {"time": 1.5, "stop_reason": "stop", "prefill_ms": "400", "computed_tokens": "3"},
                {"time": 3.5, "stop_reason": "cancelled", "waited_ms": "300", "computed_tokens": "128"}]

        editor = object.__new__(language_server.LanguageServerEditor)
        editor.daemon = Daemon
        editor.requests = [
            replay.Request(0, "key", 1, sent=1.0, answered=1.6, outcome="items"),
            replay.Request(1, "key", 1, sent=3.0, answered=3.6, outcome="items")]
        editor.finish()
        self.assertEqual([request.is_cached for request in editor.requests], [False, True])
        self.assertEqual([request.computed for request in editor.requests], [3, 128])


class LlamaVimTests(unittest.TestCase):
    def test_answers_are_found_behind(self):
        results = llama_vim.Results()
        results.put(results.key("let a", "\n"), "bc = 1")
        self.assertEqual(results.known("let a", "\n"), "bc = 1")
        self.assertEqual(results.known("let abc", "\n"), " = 1")
        self.assertIsNone(results.known("let ax", "\n"))

    def test_answers_are_bounded(self):
        results = llama_vim.Results()
        for number in range(llama_vim.RESULT_COUNT + 1):
            results.put(results.key(str(number), ""), "x")
        self.assertIsNone(results.known("0", ""))
        self.assertEqual(results.known("1", ""), "x")

    def test_surroundings(self):
        here = llama_vim.Surroundings("one\n  two three\nfour\n", 9)
        self.assertEqual((here.prefix, here.middle, here.suffix), ("one\n", "  two", " three\nfour\n"))
        self.assertEqual(here.indent, 2)
        blank = llama_vim.Surroundings("one\n    \nfour\n", 8)
        self.assertEqual((blank.middle, blank.suffix), ("", "\nfour\n"))
        self.assertEqual(blank.shown("    two\n"), "two")

    def test_repetition_is_not_shown(self):
        here = llama_vim.Surroundings("a = 1\n\nb = 2\nc = 3\n", 6)
        self.assertEqual(here.shown("b = 2"), "")
        self.assertEqual(here.shown("b = 2\nc = 3"), "")
        self.assertEqual(here.shown("b = 3"), "b = 3")

    def test_ring(self):
        ring = llama_vim.Ring(random.Random(1))
        for number in range(40):
            ring.pick([f"unique_{number}_{line}" for line in range(5)], "f", evict=True)
        self.assertEqual(len(ring.queued), llama_vim.RING_QUEUE)
        for _ in range(40):
            ring.advance()
        self.assertEqual(len(ring.chunks), llama_vim.RING_CHUNKS)
        ring.drop_like([f"unique_39_{line}" for line in range(5)])
        self.assertLess(len(ring.chunks), llama_vim.RING_CHUNKS)


if __name__ == "__main__":
    unittest.main()
