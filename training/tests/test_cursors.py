import random

from foretoken_training import cursors

TEXT = "import os\n" * 12 + "".join(f"    value_{i} = compute(item_{i}, é)\n" for i in range(40))


def test_positions_lie_inside_code_in_utf8_bytes():
    lines = TEXT.split("\n")
    for seed in range(100):
        line, column = cursors.draw_position(TEXT, random.Random(seed))
        data = lines[line - 1].encode()
        assert not lines[line - 1].startswith("import")
        assert 5 <= column <= len(data) // 2 + 5
        data[: column - 1].decode()


def test_nearer_folders_come_first():
    paths = ["a/b/x.py", "a/y.py", "c/z.py", "a/b/d/w.py"]
    assert sorted(paths, key=lambda p: cursors.distance(p, "a/b/new.py"))[0] == "a/b/x.py"
    assert sorted(paths, key=lambda p: cursors.distance(p, "a/b/new.py"))[-1] == "c/z.py"
