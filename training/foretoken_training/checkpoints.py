"""`checkpoints`: small random models of the architectures qwen2 and llama, and what transformers computes with them in
float32, for the engine's tests.

The matrices lie on the Q4_0 grid before either side sees them, so that both compute with the same numbers. A file's
metadata and the order of its query and key rows are those of llama.cpp's converter.
"""

import dataclasses
import json
import math
import os

import numpy as np
import torch

from . import gguf_file

PROMPT_TOKEN_COUNT = 300  # beyond two of the engine's chunks of keys
GREEDY_TOKEN_COUNT = 24
VOCABULARY_SIZE = 256
LAYER_COUNT = 2
# So short that the prompt reaches where the scaled frequencies differ most from the plain ones.
LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@dataclasses.dataclass
class Case:
    architecture: str
    heads: int
    kv_heads: int
    head_size: int
    hidden: int
    feed_forward: int
    tied: bool
    base: float = 10_000.0
    scaling: dict | None = None
    scaling_as: str = "keys"  # or "tensor", rope_freqs.weight
    biases: bool = False


CASES = {
    "qwen2-untied": Case(
        "qwen2", heads=2, kv_heads=1, head_size=64, hidden=128, feed_forward=192, tied=False, base=1e6
    ),
    "qwen2-tied": Case("qwen2", heads=6, kv_heads=2, head_size=16, hidden=96, feed_forward=160, tied=True),
    "llama-plain": Case("llama", heads=4, kv_heads=4, head_size=32, hidden=96, feed_forward=128, tied=False),
    "llama-linear": Case(
        "llama", heads=4, kv_heads=2, head_size=32, hidden=128, feed_forward=160, tied=True,
        scaling={"rope_type": "linear", "factor": 4.0}, biases=True,
    ),
    "llama3-tensor": Case(
        "llama", heads=4, kv_heads=1, head_size=64, hidden=128, feed_forward=160, tied=False, base=500_000.0,
        scaling={"rope_type": "llama3", **LLAMA3}, scaling_as="tensor",
    ),
    "llama3-keys": Case(
        "llama", heads=4, kv_heads=2, head_size=16, hidden=64, feed_forward=96, tied=True, base=500_000.0,
        scaling={"rope_type": "llama3", **LLAMA3},
    ),
}

LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def add_arguments(parser):
    parser.add_argument("--out", required=True, help="directory for NAME.gguf and architectures.json")
    parser.add_argument("--seed", type=int, default=20)


def run(arguments):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    os.makedirs(arguments.out, exist_ok=True)
    cases = {}
    for index, (name, case) in enumerate(CASES.items()):
        torch.manual_seed(arguments.seed + index)
        model = transformers_model(case)
        randomise(model)
        write_gguf(os.path.join(arguments.out, name + ".gguf"), name, case, model)
        cases[name] = reference(model)
        print(name, sum(parameter.numel() for parameter in model.parameters()), "parameters", flush=True)
    with open(os.path.join(arguments.out, "architectures.json"), "w") as file:
        file.write('{"reference":"transformers, float32","cases":{\n')
        lines = [f'"{name}":{json.dumps(case, separators=(",", ":"))}' for name, case in cases.items()]
        file.write(",\n".join(lines))
        file.write("\n}}\n")


def transformers_model(case):
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    kinds = {"qwen2": (Qwen2Config, Qwen2ForCausalLM), "llama": (LlamaConfig, LlamaForCausalLM)}
    configuration_class, model_class = kinds[case.architecture]
    own = {"attention_bias": case.biases, "mlp_bias": case.biases} if case.architecture == "llama" else {}
    configuration = configuration_class(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=case.hidden,
        intermediate_size=case.feed_forward,
        num_hidden_layers=LAYER_COUNT,
        num_attention_heads=case.heads,
        num_key_value_heads=case.kv_heads,
        head_dim=case.head_size,
        rms_norm_eps=1e-5,
        tie_word_embeddings=case.tied,
        max_position_embeddings=4096,
        rope_parameters={"rope_type": "default", "rope_theta": case.base, **(case.scaling or {})},
        attn_implementation="eager",
        **own,
    )
    return model_class(configuration).float().eval()


@torch.no_grad()
def randomise(model):
    """Weights large enough that attention is sharp and biases matter; matrices on the Q4_0 grid."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            centre = 1.0 if "norm" in name else 0.0
            parameter.copy_(centre + 0.3 * torch.randn_like(parameter))
            continue
        deviation = 1.0 if "embed_tokens" in name else 1.5 / math.sqrt(parameter.shape[1])
        values = (deviation * torch.randn_like(parameter)).numpy()
        raw = np.ascontiguousarray(gguf_file.quantise_q4_0(values)).reshape(-1)
        parameter.copy_(torch.from_numpy(gguf_file.dequantise(gguf_file.Q4_0, raw).reshape(values.shape)))


def neighbours(rows, head_count):
    """llama.cpp's order of query and key rows: the two values of a pair side by side."""
    half = rows.shape[0] // head_count // 2
    return rows.reshape(head_count, 2, half, -1).swapaxes(1, 2).reshape(rows.shape)


def write_gguf(path, name, case, model):
    tensors = {}
    for key, parameter in model.named_parameters():
        module, kind = key.rsplit(".", 1)
        values = parameter.detach().numpy()
        if module in NAMES:
            tensors[f"{NAMES[module]}.{kind}"] = values
            continue
        _, _, layer, part = module.split(".", 3)
        if case.architecture == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):
            values = neighbours(values, case.heads if part == "self_attn.q_proj" else case.kv_heads)
        tensors[f"blk.{layer}.{LAYER_NAMES[part]}.{kind}"] = values
    a = case.architecture
    metadata = {
        "general.architecture": a,
        "general.name": name,
        f"{a}.block_count": LAYER_COUNT,
        f"{a}.context_length": 4096,
        f"{a}.embedding_length": case.hidden,
        f"{a}.feed_forward_length": case.feed_forward,
        f"{a}.attention.head_count": case.heads,
        f"{a}.attention.head_count_kv": case.kv_heads,
        f"{a}.attention.key_length": case.head_size,
        f"{a}.attention.value_length": case.head_size,
        f"{a}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{a}.rope.dimension_count": case.head_size,
        f"{a}.rope.freq_base": case.base,
    }
    if case.scaling and case.scaling_as == "tensor":
        tensors["rope_freqs.weight"] = llama3_divisors(case)
    elif case.scaling:
        scaling = {"type": case.scaling["rope_type"], "factor": case.scaling["factor"]}
        if "low_freq_factor" in case.scaling:
            scaling["low_freq_factor"] = case.scaling["low_freq_factor"]
            scaling["high_freq_factor"] = case.scaling["high_freq_factor"]
            scaling["original_context_length"] = case.scaling["original_max_position_embeddings"]
        metadata.update({f"{a}.rope.scaling.{key}": value for key, value in scaling.items()})
    gguf_file.write(path, metadata, tensors)


def llama3_divisors(case):
    """What llama.cpp's converter puts into rope_freqs.weight."""
    scaling = case.scaling
    frequencies = case.base ** -(np.arange(0, case.head_size, 2) / case.head_size)
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / scaling["factor"] + smooth)).astype(np.float32)


@torch.no_grad()
def reference(model):
    prompt = torch.randint(VOCABULARY_SIZE, (1, PROMPT_TOKEN_COUNT))
    ids, greedy, rows = prompt, [], []
    for _ in range(GREEDY_TOKEN_COUNT):
        logits = model(ids, use_cache=False).logits[0]
        if not greedy:
            last = [top10(row) for row in logits[-8:]]
        rows.append(top10(logits[-1]))
        greedy.append(int(logits[-1].argmax()))
        ids = torch.cat([ids, torch.tensor([[greedy[-1]]])], 1)
    return {
        "prompt": "",
        "prompt_tokens": prompt[0].tolist(),
        "last8_top10": last,
        "greedy_tokens": greedy,
        "greedy_top10": rows,
    }


def top10(logits):
    values, indices = logits.topk(10)
    return [[index, round(value, 5)] for index, value in zip(indices.tolist(), values.tolist())]
