"""With PyTorch only: one model read from GGUF and from a Hugging Face folder is the same model."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

from foretoken_training import gguf_file, target

HIDDEN, HEADS, KV_HEADS, SIZE, FEED_FORWARD, LAYERS, VOCABULARY = 64, 4, 2, 16, 96, 2, 50


def random_weights(architecture):
    rng = np.random.default_rng(4)
    draw = lambda *shape: (rng.integers(-8, 8, shape) / 16).astype(np.float32)
    shapes = {"q": (HEADS * SIZE, HIDDEN), "k": (KV_HEADS * SIZE, HIDDEN), "v": (KV_HEADS * SIZE, HIDDEN)}
    shapes |= {"o": (HIDDEN, HEADS * SIZE), "gate": (FEED_FORWARD, HIDDEN), "up": (FEED_FORWARD, HIDDEN)}
    shapes |= {"down": (HIDDEN, FEED_FORWARD), "n1": (HIDDEN,), "n2": (HIDDEN,)}
    shapes |= {"qn": (SIZE,), "kn": (SIZE,)} if architecture == "qwen3" else {}
    if architecture == "qwen2":
        shapes |= {"qb": (HEADS * SIZE,), "kb": (KV_HEADS * SIZE,), "vb": (KV_HEADS * SIZE,)}
    weights = {f"{i}.{name}": draw(*shape) for i in range(LAYERS) for name, shape in shapes.items()}
    return weights | {
        "embed": draw(VOCABULARY, HIDDEN),
        "norm": draw(HIDDEN),
        "head": draw(VOCABULARY, HIDDEN),
    }


def write_folder(folder, architecture, weights):
    names = {"embed": "model.embed_tokens.weight", "norm": "model.norm.weight", "head": "lm_head.weight"}
    stored = {}
    for name, array in weights.items():
        layer, _, short = name.partition(".")
        theirs = f"model.layers.{layer}.{target._HUGGING_FACE_NAMES[short]}" if short else names[name]
        stored[theirs] = array
    folder.mkdir()
    safetensors.save_file(stored, folder / "model.safetensors")
    (folder / "config.json").write_text(
        json.dumps(
            {
                "model_type": architecture,
                "vocab_size": VOCABULARY,
                "hidden_size": HIDDEN,
                "num_hidden_layers": LAYERS,
                "num_attention_heads": HEADS,
                "num_key_value_heads": KV_HEADS,
                "head_dim": SIZE,
                "intermediate_size": FEED_FORWARD,
                "rms_norm_eps": 1e-6,
                "rope_theta": 10000.0,
            }
        )
    )


def interleaved(weight, heads):
    """As llama's GGUF keeps q and k: rows of a head in the order 0, half, 1, half + 1, ..."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_gguf(path, architecture, weights):
    names = {"embed": "token_embd.weight", "norm": "output_norm.weight", "head": "output.weight"}
    stored = {}
    for name, array in weights.items():
        layer, _, short = name.partition(".")
        if architecture == "llama" and short in ("q", "k"):
            array = interleaved(array, HEADS if short == "q" else KV_HEADS)
        stored[f"blk.{layer}.{target._GGUF_NAMES[short]}" if short else names[name]] = array
    keys = {
        "embedding_length": HIDDEN,
        "block_count": LAYERS,
        "feed_forward_length": FEED_FORWARD,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS,
        "attention.key_length": SIZE,
        "rope.freq_base": 10000.0,
        "attention.layer_norm_rms_epsilon": 1e-6,
    }
    metadata = {"general.architecture": architecture} | {f"{architecture}.{k}": v for k, v in keys.items()}
    gguf_file.write(path, metadata, stored)


@pytest.mark.parametrize("architecture", target.ARCHITECTURES)
def test_gguf_and_folder_are_the_same_model(architecture, tmp_path):
    weights = random_weights(architecture)
    write_gguf(tmp_path / "m.gguf", architecture, weights)
    read = gguf_file.File(tmp_path / "m.gguf")
    on_grid = {}  # matrices went through Q4_0 on their way into the GGUF
    for name, array in weights.items():
        blob = gguf_file.quantise_q4_0(array).reshape(-1) if array.ndim == 2 else None
        on_grid[name] = array if blob is None else gguf_file.dequantise(2, blob).reshape(array.shape)
    write_folder(tmp_path / "hf", architecture, on_grid)
    ids = torch.arange(24)[None] % VOCABULARY
    states = []
    for path in (tmp_path / "m.gguf", tmp_path / "hf"):
        configuration, loaded = target.load(str(path))
        model = target.Target(configuration, loaded, torch.device("cpu"), torch.float32)
        states.append(model.body(ids, torch.arange(24)[None])[0])
    assert read.metadata["general.architecture"] == architecture
    assert torch.allclose(*states, atol=1e-5)
    assert configuration.qk_norm == (architecture == "qwen3")
    assert configuration.qkv_bias == (architecture == "qwen2")


def test_another_architecture_is_refused_by_name(tmp_path):
    write_gguf(tmp_path / "m.gguf", "mamba", {"embed": np.zeros((2, 32), np.float32)})
    with pytest.raises(ValueError, match="arch mamba; training reads qwen3, qwen2, llama"):
        target.load(str(tmp_path / "m.gguf"))
