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


def scalar_scales(packed):
    """The 6-bit (scale, minimum) pairs of a K block, value by value as the format is specified."""
    pairs = []
    for j in range(8):
        if j < 4:
            pairs.append((packed[j] & 63, packed[j + 4] & 63))
        else:
            low, high = packed[j + 4], packed[j - 4] >> 6
            pairs.append(((low & 15) | (high << 4), (low >> 4) | ((packed[j] >> 6) << 4)))
    return pairs


@pytest.mark.parametrize("kind", [gguf_file.Q4_K, gguf_file.Q5_K])
def test_k_blocks_are_read_value_by_value(kind):
    size = gguf_file._BYTES_OF[kind][1]
    raw = np.random.default_rng(5).integers(0, 256, size, dtype=np.uint8)
    raw[:4] = np.array([0.01, 0.02], np.float16).view(np.uint8)
    block, scale, minimum = raw.tolist(), *raw[:4].view(np.float16).astype(np.float32)
    expected = []
    for group, (s, m) in enumerate(scalar_scales(block[4:16])):
        for i in range(32):
            byte = block[size - 128 + group // 2 * 32 + i]
            value = byte >> 4 if group % 2 else byte & 15
            value += 16 * (block[16 + i] >> group & 1) if kind == gguf_file.Q5_K else 0
            expected.append(scale * s * value - minimum * m)
    assert np.allclose(gguf_file.dequantise(kind, raw).reshape(-1), expected, atol=1e-5)


def test_q6_k_blocks_are_read_value_by_value():
    raw = np.random.default_rng(6).integers(0, 256, 210, dtype=np.uint8)
    raw[208:] = np.array([0.01], np.float16).view(np.uint8)
    low, high, scales = raw[:128].tolist(), raw[128:192].tolist(), raw[192:208].view(np.int8).tolist()
    scale, expected = raw[208:].view(np.float16).astype(np.float32)[0], []
    for i in range(256):
        half, group, place = i // 128, i % 128 // 32, i % 32
        byte = low[half * 64 + group % 2 * 32 + place]
        value = (byte >> 4 if group > 1 else byte & 15) | (high[half * 32 + place] >> 2 * group & 3) << 4
        expected.append(scale * scales[i // 16] * (value - 32))
    assert np.allclose(gguf_file.dequantise(gguf_file.Q6_K, raw).reshape(-1), expected, atol=1e-4)
