#!/usr/bin/env python3
"""Writes dequantization.json: random rows of every tensor format and what the gguf package makes of them.

The package is llama.cpp's own (pip install gguf numpy); its dequantisation shares no code with this project's.
Usage: python3 make_dequantization_golden.py
"""

import importlib.metadata
import json
import pathlib

import gguf
import numpy

ROWS, INPUTS = 2, 512
FORMATS = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K"]
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}  # f16 fields of a block


def random_rows(name: str, random: numpy.random.Generator) -> numpy.ndarray:
    """Bytes [ROWS, row bytes]: any bits as codes, finite scales of either sign, one of them zero."""
    quant = gguf.GGMLQuantizationType[name]
    block, block_bytes = gguf.GGML_QUANT_SIZES[quant]
    if name == "F32":
        return random.normal(size=(ROWS, INPUTS)).astype("<f4").view(numpy.uint8)
    if name == "F16":
        return random.normal(size=(ROWS, INPUTS)).astype("<f2").view(numpy.uint8)
    if name == "BF16":
        bits = random.normal(size=(ROWS, INPUTS)).astype("<f4").view("<u4") >> 16
        return bits.astype("<u2").view(numpy.uint8)
    blocks = random.integers(0, 256, size=(ROWS * INPUTS // block, block_bytes), dtype=numpy.uint8)
    for at in SCALES[name]:
        scales = random.normal(scale=0.01, size=len(blocks)).astype("<f2")
        scales[1] = 0
        scales[2] = numpy.float16(3e-6)  # a denormal half
        blocks[:, at : at + 2] = scales.view(numpy.uint8).reshape(-1, 2)
    return blocks.reshape(ROWS, -1)


def main() -> None:
    random = numpy.random.default_rng(7)
    cases = {}
    for name in FORMATS:
        data = random_rows(name, random)
        values = gguf.dequantize(data, gguf.GGMLQuantizationType[name])
        values = numpy.ascontiguousarray(values, dtype="<f4").reshape(ROWS, INPUTS)
        cases[name] = {"rows": data.tobytes().hex(), "values": values.tobytes().hex()}
    golden = {"source": f"gguf {importlib.metadata.version('gguf')}", "rows": ROWS, "inputs": INPUTS, "cases": cases}
    path = pathlib.Path(__file__).with_name("dequantization.json")
    path.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
