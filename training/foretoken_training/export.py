"""`export`: a trained draft to GGUF (arch `longspec`), matrices in Q4_0, norms in F32.

Beside the shape, the file names what the draft belongs to: the layer of the target whose K/V it reads, the
SHA-256 of the target's file and its vocabulary size, since a draft for other weights would only be slow,
never visibly wrong.
"""

import os

from . import gguf_file

MAXIMUM_BYTE_COUNT = 6 << 20  # the draft is read once per drafted level: a larger one eats its own gain
ARCHITECTURE = "longspec"


def add_arguments(parser):
    parser.add_argument("--target", required=True, help="the GGUF the draft was trained for")
    parser.add_argument("--draft", required=True, help="draft.pt, checkpoint.pt or GGUF")
    parser.add_argument("--out", required=True)
    parser.add_argument("--name", default="LongSpec draft for Foretoken Coder 78M")


def run(arguments):
    from . import draft as draft_layer
    from . import target as target_model

    if arguments.draft.endswith(".gguf"):  # renewing the keys of an exported draft
        configuration, parameters = load_draft(arguments.draft, "cpu")
    else:
        configuration, parameters, _ = draft_layer.load(arguments.draft)
    target = gguf_file.File(arguments.target)
    if "rope_freqs.weight" in target.tensors or any(
        key.endswith(".rope.scaling.type") and kind != "none" for key, kind in target.metadata.items()
    ):
        raise ValueError(f"{arguments.target} stretches its positions; a draft file has no key for that")
    vocabulary = target.tensors["token_embd.weight"][1][0]
    write(
        arguments.out,
        configuration,
        {n: p.numpy() for n, p in parameters.items()},
        arguments.name,
        target_model.fingerprint(arguments.target),
        vocabulary,
    )


def write(path, c, parameters, name, target_fingerprint, vocabulary_size):
    """Writes the draft `parameters` (our names to float32 arrays) and refuses one the engine has no input
    for.
    """
    from .draft import GGUF_NAMES

    if c.hidden_layers or len(c.target_layers) > 1 or not c.cross_attention:
        raise ValueError("this draft is an ablation; the engine runs only the plain LongSpec layer")
    metadata = {
        "general.architecture": ARCHITECTURE,
        "general.name": name,
        "longspec.embedding_length": c.hidden_size,
        "longspec.feed_forward_length": c.feed_forward_size,
        "longspec.attention.head_count": c.head_count,
        "longspec.attention.head_count_kv": c.kv_head_count,
        "longspec.attention.key_length": c.head_size,
        "longspec.attention.sliding_window": c.window,
        "longspec.target_layer": c.target_layers[0],
        "longspec.rope.freq_base": float(c.rope_theta),
        "longspec.attention.layer_norm_rms_epsilon": float(c.norm_epsilon),
        "longspec.target_vocabulary_size": vocabulary_size,
        "longspec.target_sha256": target_fingerprint,
    }
    tensors = {f"{GGUF_NAMES[key]}.weight": parameters[key] for key in GGUF_NAMES if key in parameters}
    gguf_file.write(path, metadata, tensors)
    if os.path.getsize(path) > MAXIMUM_BYTE_COUNT:
        print(f"warning: {path} is larger than {MAXIMUM_BYTE_COUNT} bytes; narrow its feed-forward layer")


def load_draft(path, device):
    """(configuration, float32 parameters) of a GGUF or PyTorch draft."""
    import torch

    from . import draft as draft_layer

    if not path.endswith(".gguf"):
        configuration, parameters, _ = draft_layer.load(path, device)
        return configuration, parameters
    file = gguf_file.File(path)
    key = lambda name: file.metadata["longspec." + name]
    configuration = draft_layer.DraftConfiguration(
        key("embedding_length"),
        key("attention.head_count"),
        key("attention.head_count_kv"),
        key("attention.key_length"),
        key("feed_forward_length"),
        key("attention.sliding_window"),
        (key("target_layer"),),
        key("rope.freq_base"),
        key("attention.layer_norm_rms_epsilon"),
    )
    parameters = {
        ours: torch.from_numpy(file.tensor(f"{theirs}.weight")).to(device)
        for ours, theirs in draft_layer.GGUF_NAMES.items()
        if f"{theirs}.weight" in file.tensors
    }
    return configuration, parameters
