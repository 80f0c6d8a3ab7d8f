#!/usr/bin/env python3
"""Writes the weights of a GGUF file out in 32-bit floats, everything else as it is (pip install gguf).

Usage: dequantize_gguf.py MODEL.gguf OUTPUT.gguf

For comparing engines. With quantised weights each engine also rounds activations in its own way; with floats none does,
so texts should be equal, and one that differs is worth a look. Not for serving: the file is seven times as large as one
in Q4_0.
"""

import sys

import gguf
import numpy

FLOATS = 0  # general.file_type


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    reader = gguf.GGUFReader(sys.argv[1])
    writer = gguf.GGUFWriter(sys.argv[2], reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue  # the writer's own
        if name == "general.file_type":
            writer.add_uint32(name, FLOATS)
        elif field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, field.contents())
        else:
            writer.add_key_value(name, field.contents(), field.types[0])
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        writer.add_tensor(tensor.name, values.reshape([int(size) for size in reversed(tensor.shape)]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
