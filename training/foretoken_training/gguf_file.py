"""Reading and writing GGUF (version 3, little endian), the container of our models.

Only what training needs: metadata, the tensor types below, and no memory beyond one tensor at a time. The
layout follows the GGUF specification of the ggml project; Q4_0 blocks hold an fp16 scale and 32 nibbles, K
blocks 256 values whose 6- or 8-bit scales share one or two fp16 numbers.
"""

import mmap
import struct

import numpy as np

F32, F16, Q4_0, Q8_0, Q4_K, Q5_K, Q6_K, BF16 = 0, 1, 2, 8, 12, 13, 14, 30
TYPE_NAMES = {
    F32: "F32",
    F16: "F16",
    BF16: "BF16",
    Q8_0: "Q8_0",
    Q4_0: "Q4_0",
    Q4_K: "Q4_K",
    Q5_K: "Q5_K",
    Q6_K: "Q6_K",
}
BLOCK_VALUE_COUNT = 32
_BYTES_OF = {  # type: (values, bytes) of a block
    F32: (1, 4),
    F16: (1, 2),
    BF16: (1, 2),
    Q4_0: (32, 18),
    Q8_0: (32, 34),
    Q4_K: (256, 144),
    Q5_K: (256, 176),
    Q6_K: (256, 210),
}
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ALIGNMENT = 32


class File:
    """A GGUF file open for reading: `metadata` (key to value) and `tensor(name)` (float32 array)."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._offset = 0
        if self._bytes[:4] != b"GGUF":
            raise ValueError(f"{path}: not a GGUF file")
        self._offset = 4
        version, tensor_count, key_count = self._take("I"), self._take("Q"), self._take("Q")
        if version not in (2, 3):
            raise ValueError(f"{path}: GGUF version {version}; 2 or 3 can be read")
        self.metadata = {}
        for _ in range(key_count):
            key = self._string()
            self.metadata[key] = self._value(self._take("I"))
        self.tensors = {}
        for _ in range(tensor_count):
            name = self._string()
            dimensions = [self._take("Q") for _ in range(self._take("I"))]
            self.tensors[name] = (self._take("I"), tuple(reversed(dimensions)), self._take("Q"))
        alignment = self.metadata.get("general.alignment", _ALIGNMENT)
        self._data = -(-self._offset // alignment) * alignment

    def _take(self, code):
        size = struct.calcsize("<" + code)
        value = struct.unpack_from("<" + code, self._bytes, self._offset)[0]
        self._offset += size
        return value

    def _string(self):
        length = self._take("Q")
        text = self._bytes[self._offset : self._offset + length]
        self._offset += length
        return text.decode("utf-8", "surrogateescape")

    def _value(self, kind):
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            element, count = self._take("I"), self._take("Q")
            return [self._value(element) for _ in range(count)]
        return self._take(_SCALARS[kind])

    def tensor(self, name):
        kind, shape, offset = self.tensors[name]
        if kind not in _BYTES_OF:
            raise ValueError(
                f"{self.path}: tensor {name} has GGUF type {kind}; training reads "
                f"{', '.join(TYPE_NAMES.values())}. Convert the model to one of these first."
            )
        count = int(np.prod(shape))
        values, size = _BYTES_OF[kind]
        raw = np.frombuffer(self._bytes, np.uint8, count // values * size, self._data + offset)
        return dequantise(kind, raw).reshape(shape)


def dequantise(kind, raw):
    if kind == F32:
        return raw.view(np.float32).copy()
    if kind == F16:
        return raw.view(np.float16).astype(np.float32)
    if kind == BF16:
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    blocks = raw.reshape(-1, _BYTES_OF[kind][1])
    if kind == Q6_K:
        return _dequantise_q6_k(blocks)
    if kind in (Q4_K, Q5_K):
        return _dequantise_q4_k_or_q5_k(blocks, kind == Q5_K)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    if kind == Q8_0:
        return blocks[:, 2:].view(np.int8).astype(np.float32) * scale
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1)
    return (nibbles.astype(np.float32) - 8) * scale


def _half(blocks, first):
    return blocks[:, first : first + 2].copy().view(np.float16).astype(np.float32)


def _dequantise_q4_k_or_q5_k(blocks, five_bits):
    """Eight groups of 32 values, each value * scale - minimum. Scales and minima have 6 bits, the upper two
    of the last four groups in the upper bits of the first four's.
    """
    packed = blocks[:, 4:16]
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate([first & 63, (third & 15) | (first >> 6 << 4)], 1) * _half(blocks, 0)
    minima = np.concatenate([second & 63, (third >> 4) | (second >> 6 << 4)], 1) * _half(blocks, 2)
    low = blocks[:, -128:].reshape(-1, 4, 1, 32)
    values = np.concatenate([low & 15, low >> 4], 2).reshape(-1, 8, 32)
    if five_bits:
        values = values + (blocks[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[:, None] & 1) * np.uint8(16)
    return values * scales[..., None] - minima[..., None]


def _dequantise_q6_k(blocks):
    """Two halves of four groups of 32 values: 4 bits of each, then 2, then an int8 scale for every 16."""
    low = blocks[:, :128].reshape(-1, 2, 2, 32)
    low = np.concatenate([low & 15, low >> 4], 2)
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32) >> np.arange(0, 8, 2, dtype=np.uint8)[:, None] & 3
    values = (low | high << 4).astype(np.float32).reshape(-1, 16, 16) - 32
    scales = blocks[:, 192:208].view(np.int8).astype(np.float32) * _half(blocks, 208)
    return values * scales[..., None]


def quantise_q4_0(weights):
    """Q4_0 bytes of a matrix [rows, columns]: scale = (the value of largest magnitude) / -8 in fp16, as
    ggml does.

    Weights that already lie on a Q4_0 grid come out on the same grid.
    """
    blocks = np.ascontiguousarray(weights, np.float32).reshape(-1, BLOCK_VALUE_COUNT)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
    scale = (largest / -8).astype(np.float16)
    exact = scale.astype(np.float32)
    inverse = np.where(exact != 0, 1 / np.where(exact == 0, 1, exact), 0).astype(np.float32)
    quantised = np.clip(np.floor(blocks * inverse + np.float32(8.5)), 0, 15).astype(np.uint8)
    packed = quantised[:, :16] | (quantised[:, 16:] << 4)
    return np.concatenate([scale.view(np.uint8), packed], 1)


def _encode_string(text):
    data = text.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(data)) + data


def _encode_value(value):
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _encode_string(value)
    raise TypeError(f"no GGUF encoding for {type(value).__name__}")


def write(path, metadata, tensors):
    """Writes `metadata` (int as uint32, float as float32, str, bool) and `tensors` (name to float32 array).

    Matrices whose rows are a multiple of 32 long are written as Q4_0, all others as F32.
    """
    entries, blobs, offset = [], [], 0
    for name, array in tensors.items():
        matrix = array.ndim == 2 and array.shape[1] % BLOCK_VALUE_COUNT == 0
        blob = (quantise_q4_0(array) if matrix else np.ascontiguousarray(array, np.float32)).tobytes()
        entries.append(
            _encode_string(name)
            + struct.pack("<I", array.ndim)
            + struct.pack(f"<{array.ndim}Q", *reversed(array.shape))
            + struct.pack("<IQ", Q4_0 if matrix else F32, offset)
        )
        blobs.append(blob)
        offset += -(-len(blob) // _ALIGNMENT) * _ALIGNMENT
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    header += b"".join(_encode_string(key) + _encode_value(value) for key, value in metadata.items())
    header += b"".join(entries)
    with open(path, "wb") as file:
        file.write(header + b"\0" * (-len(header) % _ALIGNMENT))
        for blob in blobs:
            file.write(blob + b"\0" * (-len(blob) % _ALIGNMENT))
