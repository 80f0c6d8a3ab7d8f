"""Makes the package importable from a checkout, and builds a target small enough for a CPU."""

import os
import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # tiny shapes: compiling would take longer than the tests

HIDDEN, HEADS, KV_HEADS, HEAD_SIZE, FEED_FORWARD, LAYERS, VOCABULARY = 64, 4, 2, 32, 96, 3, 97


@pytest.fixture(scope="session")
def tiny_target_path(tmp_path_factory):
    from foretoken_training import gguf_file

    rng = np.random.default_rng(1)
    draw = lambda *shape: rng.normal(0, 0.15, shape).astype(np.float32)
    tensors = {"token_embd.weight": draw(VOCABULARY, HIDDEN), "output_norm.weight": 1 + draw(HIDDEN)}
    for layer in range(LAYERS):
        for name, shape in (
            ("attn_q", (HEADS * HEAD_SIZE, HIDDEN)),
            ("attn_k", (KV_HEADS * HEAD_SIZE, HIDDEN)),
            ("attn_v", (KV_HEADS * HEAD_SIZE, HIDDEN)),
            ("attn_output", (HIDDEN, HEADS * HEAD_SIZE)),
            ("ffn_gate", (FEED_FORWARD, HIDDEN)),
            ("ffn_up", (FEED_FORWARD, HIDDEN)),
            ("ffn_down", (HIDDEN, FEED_FORWARD)),
        ):
            tensors[f"blk.{layer}.{name}.weight"] = draw(*shape)
        for name, size in (
            ("attn_norm", HIDDEN),
            ("ffn_norm", HIDDEN),
            ("attn_q_norm", HEAD_SIZE),
            ("attn_k_norm", HEAD_SIZE),
        ):
            tensors[f"blk.{layer}.{name}.weight"] = 1 + draw(size)
    path = tmp_path_factory.mktemp("target") / "tiny.gguf"
    gguf_file.write(
        path,
        {
            "general.architecture": "qwen3",
            "qwen3.embedding_length": HIDDEN,
            "qwen3.block_count": LAYERS,
            "qwen3.feed_forward_length": FEED_FORWARD,
            "qwen3.attention.head_count": HEADS,
            "qwen3.attention.head_count_kv": KV_HEADS,
            "qwen3.attention.key_length": HEAD_SIZE,
            "qwen3.rope.freq_base": 10000.0,
            "qwen3.attention.layer_norm_rms_epsilon": 1e-6,
        },
        tensors,
    )
    return str(path)
