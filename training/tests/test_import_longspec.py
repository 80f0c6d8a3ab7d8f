import json

import numpy as np
import pytest

from foretoken_training import gguf_file, import_longspec

SETTINGS = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 64,
    "num_hidden_layers": 5,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0,
    "vocab_size": 99,
    "intermediate_size": 96,
}


def checkpoint():
    rng = np.random.default_rng(0)
    shapes = {
        "mlp.gate_proj.weight": (96, 64),
        "mlp.up_proj.weight": (96, 64),
        "mlp.down_proj.weight": (64, 96),
    }
    for attention in ("self_attn", "cross_attn"):
        for name, rows in (("q", 64), ("k", 32), ("v", 32)):
            shapes[f"{attention}.{name}_proj.weight"] = (rows, 64)
            shapes[f"{attention}.{name}_proj.bias"] = (rows,)
        shapes[f"{attention}.o_proj.weight"] = (64, 64)
    for name in ("input", "post_self_attention", "post_cross_attention"):
        shapes[f"{name}_layernorm.weight"] = (64,)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": "F16",
            "shape": list(array.shape),
            "data_offsets": [offset, offset + 2 * array.size],
        }
        offset += 2 * array.size
    data = json.dumps(header).encode()
    path.write_bytes(
        len(data).to_bytes(8, "little")
        + data
        + b"".join(a.astype(np.float16).tobytes() for a in tensors.values())
    )


def test_a_checkpoint_of_the_reference_shape_becomes_a_draft(tmp_path):
    tensors = checkpoint()
    write_safetensors(tmp_path / "model.safetensors", tensors)
    import_longspec.convert(
        import_longspec.read_checkpoint(str(tmp_path)), SETTINGS, tmp_path / "d.gguf", "test"
    )
    file = gguf_file.File(tmp_path / "d.gguf")
    assert file.metadata["longspec.target_layer"] == 4
    assert file.metadata["longspec.attention.sliding_window"] == 513
    assert file.metadata["longspec.feed_forward_length"] == 96
    bias = tensors["cross_attn.q_proj.bias"].astype(np.float16).astype(np.float32)
    assert np.array_equal(file.tensor("draft.cross_attn_q.bias"), bias)
    assert "draft.cross_attn_k.weight" not in file.tensors
    weight = tensors["self_attn.k_proj.weight"]
    assert np.abs(file.tensor("draft.self_attn_k.weight") - weight).max() < np.abs(weight).max() / 7


def test_newer_configurations_keep_the_base_of_the_angles_elsewhere(tmp_path):
    settings = {**SETTINGS, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}
    del settings["rope_theta"]
    import_longspec.convert(checkpoint(), settings, tmp_path / "d.gguf", "test")
    assert gguf_file.File(tmp_path / "d.gguf").metadata["longspec.rope.freq_base"] == 500000.0


def test_a_target_with_stretched_positions_is_refused(tmp_path):
    with pytest.raises(ValueError, match="stretches its positions .linear."):
        settings = {**SETTINGS, "rope_scaling": {"type": "linear", "factor": 8.0}}
        import_longspec.convert(checkpoint(), settings, tmp_path / "d.gguf", "test")


def test_another_layer_is_refused(tmp_path):
    tensors = checkpoint()
    del tensors["cross_attn.o_proj.weight"]
    with pytest.raises(ValueError, match="cross_attn.o_proj.weight"):
        import_longspec.convert(tensors, SETTINGS, tmp_path / "d.gguf", "test")
    with pytest.raises(ValueError, match="not the draft of this target"):
        import_longspec.convert(
            checkpoint(), {**SETTINGS, "num_attention_heads": 2, "head_dim": 16}, tmp_path / "d.gguf", "test"
        )
