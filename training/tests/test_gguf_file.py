import numpy as np
import pytest

from foretoken_training import gguf_file


def test_a_written_file_reads_back(tmp_path):
    path = tmp_path / "a.gguf"
    metadata = {"general.architecture": "longspec", "a.count": 7, "a.rate": 0.5, "a.flag": True}
    vector = np.arange(5, dtype=np.float32)
    matrix = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    gguf_file.write(path, metadata, {"vector": vector, "matrix": matrix})
    file = gguf_file.File(path)
    assert file.metadata == metadata
    assert np.array_equal(file.tensor("vector"), vector)
    assert file.tensors["matrix"][0] == gguf_file.Q4_0
    assert np.abs(file.tensor("matrix") - matrix).max() <= np.abs(matrix).max() / 8


def test_weights_on_the_q4_0_grid_stay_where_they_are():
    weights = np.random.default_rng(0).normal(size=(8, 128)).astype(np.float32)
    once = gguf_file.dequantise(gguf_file.Q4_0, gguf_file.quantise_q4_0(weights).reshape(-1))
    twice = gguf_file.dequantise(gguf_file.Q4_0, gguf_file.quantise_q4_0(once.reshape(8, 128)).reshape(-1))
    assert np.array_equal(once, twice)


def test_a_block_of_zeros_stays_zero():
    blob = gguf_file.quantise_q4_0(np.zeros((1, 32), np.float32))
    assert not gguf_file.dequantise(gguf_file.Q4_0, blob.reshape(-1)).any()


def test_another_file_is_refused_by_name(tmp_path):
    path = tmp_path / "not.gguf"
    path.write_bytes(b"hello, this is text")
    with pytest.raises(ValueError, match="not.gguf: not a GGUF file"):
        gguf_file.File(path)
