#!/usr/bin/env python3
"""Writes a GGUF model with the shape of Qwen2.5-Coder-1.5B and random Q4_0 weights: speed can be measured on it where
no such model is at hand. Its text is noise.

    pip install numpy gguf
    scripts/random_model.py /tmp/random-1.5b.gguf

The tokenizer is that of --tokenizer-from (by default the model in Models/), padded with unused entries to --vocabulary
tokens, so that the embedding and the output layer have the size that they have in the real model. The same arguments
give the same bytes.
"""
import argparse
import os
import sys

import gguf
import numpy as np

Q4_0_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])  # 32 values
NIBBLE_DEVIATION = 4.61  # standard deviation of a uniform 4-bit value
DEFAULT_MODEL = os.path.join(os.path.dirname(__file__), "..", "Models", "foretoken-78m-q4_0.gguf")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--hidden", type=int, default=1536)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--kv-heads", type=int, default=2)
    parser.add_argument("--feed-forward", type=int, default=8960)
    parser.add_argument("--vocabulary", type=int, default=151936)
    parser.add_argument("--context", type=int, default=32768)
    parser.add_argument("--untied", action="store_true", help="give the output layer a matrix of its own")
    parser.add_argument("--tokenizer-from", default=DEFAULT_MODEL, metavar="GGUF")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.hidden % arguments.heads or arguments.heads % arguments.kv_heads:
        sys.exit("the hidden size must be a multiple of the heads, and these of the key/value heads")

    writer = gguf.GGUFWriter(arguments.output, "qwen2")
    add_configuration(writer, arguments)
    add_tokenizer(writer, gguf.GGUFReader(arguments.tokenizer_from), arguments.vocabulary)
    random = np.random.default_rng(arguments.seed)
    for name, shape in tensors(arguments):
        add_tensor(writer, name, shape, random)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{arguments.output}: {os.path.getsize(arguments.output) / 1e6:.0f} MB")


def add_configuration(writer, arguments):
    writer.add_name("random qwen2")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_block_count(arguments.layers)
    writer.add_context_length(arguments.context)
    writer.add_embedding_length(arguments.hidden)
    writer.add_feed_forward_length(arguments.feed_forward)
    writer.add_head_count(arguments.heads)
    writer.add_head_count_kv(arguments.kv_heads)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)


def add_tokenizer(writer, source, size):
    """Copies every tokenizer key; the list of tokens and that of their types grow to `size`."""
    for key, field in source.fields.items():
        if not key.startswith("tokenizer."):
            continue
        value, kind = field.contents(), field.types[0]
        if key == gguf.Keys.Tokenizer.LIST:
            if len(value) > size:
                sys.exit(f"the tokenizer has {len(value)} tokens, more than --vocabulary {size}")
            value = value + [f"<|unused_{index}|>" for index in range(len(value), size)]
        elif key == gguf.Keys.Tokenizer.TOKEN_TYPE:
            value = value + [int(gguf.TokenType.UNUSED)] * (size - len(value))
        writer.add_key_value(key, value, kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)


def tensors(arguments):
    """(name, shape) of every tensor, rows first."""
    hidden, feed_forward = arguments.hidden, arguments.feed_forward
    kv_size = hidden // arguments.heads * arguments.kv_heads
    yield "token_embd.weight", (arguments.vocabulary, hidden)
    yield "output_norm.weight", (hidden,)
    if arguments.untied:
        yield "output.weight", (arguments.vocabulary, hidden)
    for layer in range(arguments.layers):
        prefix = f"blk.{layer}."
        yield prefix + "attn_norm.weight", (hidden,)
        for name, size in (("q", hidden), ("k", kv_size), ("v", kv_size)):
            yield f"{prefix}attn_{name}.weight", (size, hidden)
            yield f"{prefix}attn_{name}.bias", (size,)
        yield prefix + "attn_output.weight", (hidden, hidden)
        yield prefix + "ffn_norm.weight", (hidden,)
        yield prefix + "ffn_gate.weight", (feed_forward, hidden)
        yield prefix + "ffn_up.weight", (feed_forward, hidden)
        yield prefix + "ffn_down.weight", (hidden, feed_forward)


def add_tensor(writer, name, shape, random):
    if len(shape) == 1:
        values = random.normal(1 if name.endswith("norm.weight") else 0, 0.02, shape)
        writer.add_tensor(name, values.astype(np.float32))
        return
    rows, columns = shape
    blocks = np.empty((rows, columns // 32), Q4_0_BLOCK)
    # Deviation 1/sqrt(inputs) keeps activations near 1 through all layers.
    scale = columns ** -0.5 / NIBBLE_DEVIATION
    blocks["scale"] = scale * random.choice(np.array([-1.0, 1.0]), blocks.shape)
    blocks["nibbles"] = np.frombuffer(random.bytes(blocks.size * 16), np.uint8).reshape(*blocks.shape, 16)
    writer.add_tensor(
        name, blocks.view(np.uint8).reshape(rows, -1), raw_dtype=gguf.GGMLQuantizationType.Q4_0
    )


if __name__ == "__main__":
    main()
