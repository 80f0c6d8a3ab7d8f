"""`import-longspec`: a published LongSpec draft (safetensors, layer names of the reference code) to our
GGUF.

Those layers carry biases on q, k and v, no norm per head and no norm before the LM head; their
cross-attention also stores k and v projections that its forward never uses, which are left out. Their
window counts 512 keys beside the query's own, ours counts the query's own too, so 512 there is 513 here.
The target's Hugging Face folder or its config.json supplies what a draft checkpoint does not say.
"""

import json
import os

import numpy as np

from . import export, gguf_file

REFERENCE_WINDOW = 513
_NAMES = {
    "input_layernorm.weight": "self_attn_norm.weight",
    "self_attn.q_proj.weight": "self_attn_q.weight",
    "self_attn.q_proj.bias": "self_attn_q.bias",
    "self_attn.k_proj.weight": "self_attn_k.weight",
    "self_attn.k_proj.bias": "self_attn_k.bias",
    "self_attn.v_proj.weight": "self_attn_v.weight",
    "self_attn.v_proj.bias": "self_attn_v.bias",
    "self_attn.o_proj.weight": "self_attn_output.weight",
    "post_self_attention_layernorm.weight": "cross_attn_norm.weight",
    "cross_attn.q_proj.weight": "cross_attn_q.weight",
    "cross_attn.q_proj.bias": "cross_attn_q.bias",
    "cross_attn.o_proj.weight": "cross_attn_output.weight",
    "post_cross_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
_UNUSED = tuple(f"cross_attn.{p}_proj.{kind}" for p in "kv" for kind in ("weight", "bias"))


def add_arguments(parser):
    parser.add_argument("--checkpoint", required=True, help="folder or file of the draft's safetensors")
    parser.add_argument("--target-config", required=True, help="config.json of the target, or its folder")
    parser.add_argument("--out", required=True)
    parser.add_argument("--name", default="imported LongSpec draft")


def run(arguments):
    path = arguments.target_config
    with open(os.path.join(path, "config.json") if os.path.isdir(path) else path) as file:
        settings = json.load(file)
    convert(read_checkpoint(arguments.checkpoint), settings, arguments.out, arguments.name)


def read_checkpoint(path):
    """{name without its 'glide.' prefix: float32 array} of one safetensors file or of a folder of them."""
    paths = [path]
    if os.path.isdir(path):
        paths = [
            os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".safetensors")
        ]
    tensors = {}
    for each in paths:
        for name, array in read_safetensors(each).items():
            tensors[name.removeprefix("glide.").removeprefix("model.")] = array
    return tensors


def read_safetensors(path):
    """{name: float32 array}; F32, F16 and BF16 without PyTorch."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        raw = np.frombuffer(data[first:last], np.uint8)
        kinds = {"F32": gguf_file.F32, "F16": gguf_file.F16, "BF16": gguf_file.BF16}
        if entry["dtype"] not in kinds:
            raise ValueError(f"{path}: {name} has type {entry['dtype']}; expected {', '.join(kinds)}")
        tensors[name] = gguf_file.dequantise(kinds[entry["dtype"]], raw).reshape(entry["shape"])
    return tensors


def convert(tensors, settings, out, name):
    """Writes the GGUF. Raises ValueError for a tensor that is missing or that the layer does not have."""
    missing = [key for key in _NAMES if key not in tensors]
    unknown = [key for key in tensors if key not in _NAMES and key not in _UNUSED and "rotary_emb" not in key]
    if missing or unknown:
        raise ValueError(f"not a LongSpec layer of the reference code: missing {missing}, unknown {unknown}")
    rope = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise ValueError(f"the target stretches its positions ({kind}); a draft file has no key for that")
    heads, hidden = settings["num_attention_heads"], settings["hidden_size"]
    head_size = settings.get("head_dim") or hidden // heads
    if tensors["self_attn.q_proj.weight"].shape != (heads * head_size, hidden):
        raise ValueError(
            f"the draft's q projection is {tensors['self_attn.q_proj.weight'].shape}, the target's "
            f"configuration says {(heads * head_size, hidden)}: not the draft of this target"
        )
    metadata = {
        "general.architecture": export.ARCHITECTURE,
        "general.name": name,
        "longspec.embedding_length": hidden,
        "longspec.feed_forward_length": tensors["mlp.gate_proj.weight"].shape[0],
        "longspec.attention.head_count": heads,
        "longspec.attention.head_count_kv": settings.get("num_key_value_heads", heads),
        "longspec.attention.key_length": head_size,
        "longspec.attention.sliding_window": REFERENCE_WINDOW,
        "longspec.target_layer": settings["num_hidden_layers"] - 1,
        "longspec.rope.freq_base": float(settings.get("rope_theta") or rope.get("rope_theta", 10_000.0)),
        "longspec.attention.layer_norm_rms_epsilon": float(settings["rms_norm_eps"]),
        "longspec.target_vocabulary_size": settings["vocab_size"],
    }
    gguf_file.write(out, metadata, {f"draft.{ours}": tensors[theirs] for theirs, ours in _NAMES.items()})
