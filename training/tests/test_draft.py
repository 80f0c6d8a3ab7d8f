"""With PyTorch only: the draft layer against plain formulas, replayed rounds, a short training run."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F

from foretoken_training import draft, evaluate_draft, export, gguf_file, rows, target


@pytest.fixture
def tiny(tiny_target_path):
    configuration, weights = target.load(tiny_target_path)
    return target.Target(configuration, weights, torch.device("cpu"), torch.float32)


def layer_of(tiny, **settings):
    c = draft.configuration_for(tiny, 128, 16, **settings)
    return draft.Draft(c, tiny), draft.initial_parameters(c, tiny, from_target=False, seed=3)


@pytest.mark.parametrize("length", [5, 16, 48, 53])
def test_window_attention_equals_a_dense_mask(length):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, length, 8)
    i = torch.arange(length)
    mask = (i[None] <= i[:, None]) & (i[None] > i[:, None] - 16)
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert torch.allclose(draft.window_attention(query, key, value, 16), expected, atol=1e-6)


def test_cross_attention_shifts_every_row_by_its_own_depth():
    torch.manual_seed(0)
    query, key, value = torch.randn(4, 4, 20, 8), torch.randn(4, 2, 20, 8), torch.randn(4, 2, 20, 8)
    shifts = [1, 1, 3, 4]
    found = draft.cross_attention(query, key, value, shifts)
    i = torch.arange(20)
    for row, shift in enumerate(shifts):
        mask = i[None] <= i[:, None] - shift
        expected = F.scaled_dot_product_attention(
            query[row], key[row].repeat_interleave(2, 0), value[row].repeat_interleave(2, 0), attn_mask=mask
        )
        assert torch.allclose(found[row], torch.nan_to_num(expected), atol=1e-6), row
        assert not found[row, :, :shift].any(), row


def test_cached_decoding_writes_what_the_full_pass_predicts(tiny):
    prompt = torch.arange(30)[None] % 90
    tokens = tiny.generate(prompt, 8)
    text = torch.cat([prompt, tokens], 1)
    normed, _, _ = tiny.body(text, torch.arange(38)[None])
    assert torch.equal(F.linear(normed, tiny.weights["head"]).argmax(-1)[0, 29:37], tokens[0])


@pytest.mark.parametrize(
    "settings", [{}, {"target_layers": (1,)}, {"target_layers": (2, 0)}, {"hidden_layers": (2, 1)}]
)
def test_a_replayed_node_sees_what_training_shows_at_its_depth(tiny, settings, monkeypatch):
    layer, parameters = layer_of(tiny, **settings)
    monkeypatch.setattr(evaluate_draft, "CONTINUATION", 10)
    monkeypatch.setattr(
        evaluate_draft, "rotary_tables", lambda c, p, _: target.rotary_tables(c, p, torch.float32)
    )
    entries = [{"ids": [(7 * i + j) % 90 for i in range(40)], "language": "x"} for j in (0, 5)]
    replay = evaluate_draft.Replay(tiny, layer.configuration, parameters, entries, 0.0)
    c, text = layer.configuration, replay.text[:1]
    positions = torch.arange(text.shape[1])[None]
    _, kv, states = tiny.body(text, positions, c.target_layers, c.hidden_layers)
    for committed, depth in ((1, 1), (3, 2), (5, 4)):
        path = tuple(text[0, 40 + committed : 40 + committed + depth - 1].tolist())
        tokens, scores = replay.step([(0, committed, path)])
        state = layer.hidden(parameters, text, positions, kv, states, [depth])[0, 40 + committed + depth - 2]
        expected = F.linear(state, tiny.weights["head"]).log_softmax(-1).topk(evaluate_draft.CHILDREN)
        assert tokens[0] == expected.indices.tolist()
        assert np.allclose(scores[0], expected.values.tolist(), atol=1e-4)


def test_a_perfect_draft_fills_every_round(tiny):
    layer, parameters = layer_of(tiny)
    entries = [{"ids": [(5 * i) % 90 for i in range(40)], "language": "x"}]
    replay = evaluate_draft.Replay(tiny, layer.configuration, parameters, entries, 0.0)
    replay.continuations = [list(range(1, 62))]
    truth = replay.continuations[0]
    replay.step = lambda nodes: ([[truth[min(c + len(p), 60)]] for _, c, p in nodes], [[-0.1] for _ in nodes])
    assert replay.tau("chain", 4)[:2] == (60, 12)
    replay.known.clear()
    assert replay.tau("tree", 4)[:2] == (60, 12)
    replay.known.clear()
    replay.step = lambda nodes: ([[0]] * len(nodes), [[-0.1]] * len(nodes))
    assert replay.tau("chain", 4)[:2] == (60, 60)


def test_anchor_offset_moves_all_but_the_first_positions():
    generator = torch.Generator().manual_seed(0)
    positions = rows.anchor_offset_positions(64, 32, 1000, "cpu", generator)
    assert positions.max() < 1000
    for row in positions.tolist():
        steps = [b - a for a, b in zip(row, row[1:])]
        assert sum(step != 1 for step in steps) <= 1
        assert all(step == 1 for step in steps[rows.ANCHOR_MAXIMUM :])


def test_every_depth_is_trained_and_the_first_most():
    depths = rows.depth_schedule(16, 8)
    assert depths == sorted(depths) and set(depths) == set(range(1, 9))
    assert depths.count(1) > depths.count(2) >= depths.count(8)


def test_exported_drafts_read_back_and_name_their_target(tiny, tiny_target_path, tmp_path):
    layer, parameters = layer_of(tiny, target_layers=(1,))
    path = tmp_path / "d.gguf"
    export.write(
        path,
        layer.configuration,
        {n: p.numpy() for n, p in parameters.items()},
        "test",
        target.fingerprint(tiny_target_path),
        97,
    )
    configuration, read = export.load_draft(str(path), "cpu")
    assert configuration.target_layers == (1,) and configuration.feed_forward_size == 128
    assert gguf_file.File(path).metadata["longspec.target_sha256"] == target.fingerprint(tiny_target_path)
    for name, parameter in parameters.items():
        expected = draft.q4_0_grid(parameter) if parameter.ndim == 2 else parameter
        assert torch.equal(read[name], expected), name


def test_a_training_run_learns_and_resumes(tiny_target_path, tmp_path):
    import argparse

    from foretoken_training import train_draft

    parser = argparse.ArgumentParser()
    train_draft.add_arguments(parser)
    rng = np.random.default_rng(0)
    (np.arange(20_000) * 3 % 89 + (rng.random(20_000) < 0.05)).astype(np.uint16).tofile(tmp_path / "a.bin")
    arguments = [
        "--target",
        tiny_target_path,
        "--tokens",
        str(tmp_path),
        "--out",
        str(tmp_path / "out"),
        "--short",
        "64",
        "--context",
        "128",
        "--batch-tokens",
        "1024",
        "--feed-forward",
        "64",
        "--window",
        "16",
        "--learning-rate",
        "1e-2",
    ]
    train_draft.run(parser.parse_args([*arguments, "--minutes", "0.15"]))
    lines = [json.loads(line) for line in open(tmp_path / "out" / "log.jsonl")]
    steps = [line["step"] for line in lines]
    if len(lines) > 1:  # a slow machine may log only once
        assert lines[-1]["divergence"] < lines[0]["divergence"]
    _, before, more = draft.load(tmp_path / "out" / "checkpoint.pt")
    assert more["step"] >= max(steps, default=1)
    train_draft.run(parser.parse_args([*arguments, "--minutes", str(more["elapsed"] / 60 + 0.08)]))
    _, after, later = draft.load(tmp_path / "out" / "checkpoint.pt")
    assert later["step"] > more["step"] and later["elapsed"] > more["elapsed"]
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_runs_by_steps_repeat_and_seeds_differ(tiny_target_path, tmp_path):
    import argparse

    from foretoken_training import train_draft

    parser = argparse.ArgumentParser()
    train_draft.add_arguments(parser)
    (np.arange(5_000) * 3 % 89).astype(np.uint16).tofile(tmp_path / "a.bin")
    found = []
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        out = tmp_path / name
        options = f"--target {tiny_target_path} --tokens {tmp_path} --out {out} --steps 4 --seed {seed}"
        options += " --short 64 --context 128 --batch-tokens 256 --feed-forward 64 --window 16"
        train_draft.run(parser.parse_args(options.split()))
        found.append(draft.load(out / "draft.pt")[1]["gate"])
        assert draft.load(out / "checkpoint.pt")[2]["step"] == 4
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_own_text_continues_prompts_that_end_at_a_hole(tiny_target_path, tmp_path, monkeypatch):
    import argparse

    from foretoken_training import own_text

    monkeypatch.setattr(own_text, "hole_mark", lambda target: 7)
    monkeypatch.setattr(own_text, "LOOKED_THROUGH", 200)
    (np.arange(5_000) % 90).astype(np.uint16).tofile(tmp_path / "a.bin")
    parser = argparse.ArgumentParser()
    own_text.add_arguments(parser)
    options = f"--target {tiny_target_path} --tokens {tmp_path} --out {tmp_path}/own --batches 2 --rows 5"
    own_text.run(parser.parse_args([*options.split(), "--prompt", "12", "--written", "4"]))
    greedy, sampled = (
        np.fromfile(tmp_path / "own" / f"own-text-{n}.bin", np.uint16).reshape(5, 16) for n in (0, 1)
    )
    for ids in (greedy, sampled):
        assert (ids[:, 11] == 7).all() and ids.max() < 97
        assert ((ids[:, 1:12].astype(int) - ids[:, :11]) % 90 == 1).all()
    assert (greedy[:, 12:] == greedy[0, 12:]).all()  # the same prompt five times
    assert not (sampled[:, 12:] == sampled[0, 12:]).all()


def test_own_text_without_holes_fails_with_a_word_about_them(tmp_path, monkeypatch):
    from foretoken_training import own_text

    monkeypatch.setattr(own_text, "LOOKED_THROUGH", 100)
    np.zeros(500, np.uint16).tofile(tmp_path / "a.bin")
    with pytest.raises(ValueError, match="no hole"):
        own_text.prompts_of(rows.TokenFolder(tmp_path, np.uint16, 1), 2, 8, 7)


def test_a_mixture_draws_from_both_folders_by_their_share(tmp_path):
    for name, value in (("text", 1), ("own", 2)):
        (tmp_path / name).mkdir()
        np.full(500, value, np.uint16).tofile(tmp_path / name / "a.bin")
    folder = lambda name: rows.TokenFolder(tmp_path / name, np.uint16, 1)
    mixed = rows.Mixture(folder("text"), folder("own"), 0.25)
    drawn = torch.cat([mixed.rows(8, 16, "cpu") for _ in range(100)])
    assert (drawn == drawn[:, :1]).all()  # a row is of one folder
    assert 0.15 < (drawn[:, 0] == 2).float().mean() < 0.35
    assert (drawn[:8, 0] != drawn[0, 0]).any() or (drawn[8:16, 0] != drawn[8, 0]).any()  # in any order


def test_training_starts_from_another_draft_and_mixes_in_own_text(tiny_target_path, tmp_path):
    import argparse

    from foretoken_training import train_draft

    parser = argparse.ArgumentParser()
    train_draft.add_arguments(parser)
    for name in ("text", "own"):
        (tmp_path / name).mkdir()
        (np.arange(5_000) * 3 % 89).astype(np.uint16).tofile(tmp_path / name / "a.bin")
    shape = "--short 64 --context 128 --batch-tokens 256 --feed-forward 64 --window 16"
    common = f"--target {tiny_target_path} --tokens {tmp_path}/text {shape}"
    train_draft.run(parser.parse_args(f"{common} --out {tmp_path}/first --steps 2".split()))
    first = draft.load(tmp_path / "first" / "draft.pt")[1]
    options = f"{common} --own-text {tmp_path}/own --from-draft {tmp_path}/first/draft.pt"
    train_draft.run(
        parser.parse_args(f"{options} --out {tmp_path}/second --steps 1 --learning-rate 1e-9".split())
    )
    second = draft.load(tmp_path / "second" / "draft.pt")[1]
    for name in first:  # one step of no length: the first draft again, but for rounding onto the grid
        assert torch.allclose(first[name], second[name], atol=1e-3), name
    with pytest.raises(ValueError, match="holds another draft"):
        train_draft.run(
            parser.parse_args(
                f"{options} --out {tmp_path}/third --steps 1 --feed-forward 32".split()
            )
        )
