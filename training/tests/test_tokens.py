import random

from foretoken_training import tokens

TEXT = "".join(f"line {i} of some text\n" for i in range(200))


def test_a_rendered_hole_loses_nothing_but_far_context():
    for seed in range(200):
        pieces = tokens.render_fim("a/b.py", TEXT, random.Random(seed))
        parts, role = {}, None
        for piece in pieces:
            if isinstance(piece, tuple):
                role = piece[0]
            else:
                parts[role] = piece
        assert parts["file"] == "a/b.py\n", seed
        assert parts["prefix"] + parts["middle"] + parts["suffix"] in TEXT, seed
        assert pieces[-1] == ("end",), seed


def test_both_orders_are_drawn():
    orders = set()
    for seed in range(50):
        roles = [
            piece[0]
            for piece in tokens.render_fim("a.py", TEXT, random.Random(seed))
            if isinstance(piece, tuple)
        ]
        orders.add(tuple(roles))
    assert orders == {
        ("file", "prefix", "suffix", "middle", "end"),
        ("file", "suffix", "prefix", "middle", "end"),
    }


def test_structural_tokens_are_ids_and_never_text():
    class Fake:
        end, file, repository = 0, 6, 5

        def encode(self, text):
            return [100 + ord(c) for c in text]

    ids = tokens.to_ids([("repository",), "r\n", ("file",), "", ("end",)], Fake())
    assert ids == [5, 100 + ord("r"), 110, 6, 0]


def test_the_same_seed_renders_the_same_stream():
    files = [["a/x.py", TEXT], ["b/y.py", TEXT], ["b/z.py", TEXT]]
    first = tokens.render("o/r", files, random.Random(3))
    assert first == tokens.render("o/r", files, random.Random(3))
    assert first != tokens.render("o/r", files, random.Random(4))


def test_a_model_without_structural_tokens_gets_whole_files():
    class Fake:
        end, file, repository = 2, None, None

        def encode(self, text):
            return [100 + ord(c) for c in text]

    files = [["a/x.py", TEXT], ["b/y.py", TEXT]]
    for seed in range(20):
        pieces = tokens.render("o/r", files, random.Random(seed), fills_holes=False)
        assert ("middle",) not in pieces
    assert tokens.to_ids(tokens.render_plain([["p", "x"]]), Fake()) == [212, 110, 220, 2]
