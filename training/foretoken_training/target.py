"""The frozen target in PyTorch: decoders of arch qwen3, qwen2 and llama, from GGUF or a Hugging Face
folder.

Weights live in a plain dictionary so that one forward serves float32 (golden values) and bfloat16
(training). `body` returns the normalised hidden state and the K and V of chosen layers: what a LongSpec
draft attends to.
"""

import hashlib
import json
import math
import os
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from . import gguf_file


@dataclass(frozen=True)
class TargetConfiguration:
    architecture: str
    vocabulary_size: int
    hidden_size: int
    layer_count: int
    head_count: int
    kv_head_count: int
    head_size: int
    feed_forward_size: int
    rope_theta: float
    norm_epsilon: float
    qk_norm: bool
    qkv_bias: bool
    rope_scaling: dict = field(default_factory=dict)


# Our names on the left; a layer's tensors are "LAYER.NAME".
_GGUF_NAMES = {
    "q": "attn_q.weight",
    "k": "attn_k.weight",
    "v": "attn_v.weight",
    "o": "attn_output.weight",
    "gate": "ffn_gate.weight",
    "up": "ffn_up.weight",
    "down": "ffn_down.weight",
    "n1": "attn_norm.weight",
    "n2": "ffn_norm.weight",
    "qn": "attn_q_norm.weight",
    "kn": "attn_k_norm.weight",
    "qb": "attn_q.bias",
    "kb": "attn_k.bias",
    "vb": "attn_v.bias",
}
_HUGGING_FACE_NAMES = {
    "q": "self_attn.q_proj.weight",
    "k": "self_attn.k_proj.weight",
    "v": "self_attn.v_proj.weight",
    "o": "self_attn.o_proj.weight",
    "gate": "mlp.gate_proj.weight",
    "up": "mlp.up_proj.weight",
    "down": "mlp.down_proj.weight",
    "n1": "input_layernorm.weight",
    "n2": "post_attention_layernorm.weight",
    "qn": "self_attn.q_norm.weight",
    "kn": "self_attn.k_norm.weight",
    "qb": "self_attn.q_proj.bias",
    "kb": "self_attn.k_proj.bias",
    "vb": "self_attn.v_proj.bias",
}
ARCHITECTURES = ("qwen3", "qwen2", "llama")
PREFILL_TOKENS = 32_768  # prompt tokens in one pass of `generate`


def fingerprint(path):
    """The SHA-256 of the target file, which ties a draft to the weights it was trained for."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def load(path):
    """(configuration, float32 weights) of a GGUF file or of a folder with config.json and *.safetensors."""
    return _load_hugging_face(path) if os.path.isdir(path) else _load_gguf(path)


def _layer_names(architecture):
    names = ["q", "k", "v", "o", "gate", "up", "down", "n1", "n2"]
    return names + {"qwen3": ["qn", "kn"], "qwen2": ["qb", "kb", "vb"], "llama": []}[architecture]


def _load_gguf(path):
    file = gguf_file.File(path)
    architecture = file.metadata["general.architecture"]
    if architecture not in ARCHITECTURES:
        raise ValueError(f"{path}: arch {architecture}; training reads {', '.join(ARCHITECTURES)}")
    key = lambda name, default=None: file.metadata.get(f"{architecture}.{name}", default)
    heads, hidden = key("attention.head_count"), key("embedding_length")
    scaling = {}
    if key("rope.scaling.type") == "linear":
        scaling = {"kind": "linear", "factor": key("rope.scaling.factor")}
    if "rope_freqs.weight" in file.tensors:  # llama3: one divisor per frequency
        scaling = {"kind": "divisors", "divisors": file.tensor("rope_freqs.weight").tolist()}
    configuration = TargetConfiguration(
        architecture,
        file.tensors["token_embd.weight"][1][0],
        hidden,
        key("block_count"),
        heads,
        key("attention.head_count_kv", heads),
        key("attention.key_length", hidden // heads),
        key("feed_forward_length"),
        float(key("rope.freq_base", 10_000.0)),
        float(key("attention.layer_norm_rms_epsilon")),
        architecture == "qwen3",
        architecture == "qwen2",
        scaling,
    )
    tensor = lambda name: torch.from_numpy(file.tensor(name))
    weights = {"embed": tensor("token_embd.weight"), "norm": tensor("output_norm.weight")}
    weights["head"] = tensor("output.weight") if "output.weight" in file.tensors else weights["embed"]
    for layer in range(configuration.layer_count):
        for name in _layer_names(architecture):
            weights[f"{layer}.{name}"] = tensor(f"blk.{layer}.{_GGUF_NAMES[name]}")
        if architecture == "llama":  # GGUF keeps llama's q and k in interleaved order
            for name, count in (("q", heads), ("k", configuration.kv_head_count)):
                weights[f"{layer}.{name}"] = _half_split(weights[f"{layer}.{name}"], count)
    return configuration, weights


def _half_split(weight, head_count):
    """Rows (pair, 2) of each head to (2, pair): interleaved rotary pairs to our half-split order."""
    rows, columns = weight.shape
    size = rows // head_count
    return weight.view(head_count, size // 2, 2, columns).transpose(1, 2).reshape(rows, columns).contiguous()


def _load_hugging_face(folder):
    from safetensors import safe_open

    with open(os.path.join(folder, "config.json")) as file:
        settings = json.load(file)
    architecture = settings["model_type"]
    if architecture not in ARCHITECTURES:
        raise ValueError(f"{folder}: model_type {architecture}; training reads {', '.join(ARCHITECTURES)}")
    heads, hidden = settings["num_attention_heads"], settings["hidden_size"]
    rope = settings.get("rope_scaling") or settings.get("rope_parameters") or {}
    configuration = TargetConfiguration(
        architecture,
        settings["vocab_size"],
        hidden,
        settings["num_hidden_layers"],
        heads,
        settings.get("num_key_value_heads", heads),
        settings.get("head_dim") or hidden // heads,
        settings["intermediate_size"],
        float(settings.get("rope_theta") or rope.get("rope_theta", 10_000.0)),
        settings["rms_norm_eps"],
        architecture == "qwen3",
        architecture == "qwen2",
        _hugging_face_scaling(rope),
    )
    stored = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            with safe_open(os.path.join(folder, name), "pt") as file:
                stored.update({key: file.get_tensor(key).float() for key in file.keys()})
    weights = {"embed": stored["model.embed_tokens.weight"], "norm": stored["model.norm.weight"]}
    weights["head"] = stored.get("lm_head.weight", weights["embed"])
    for layer in range(configuration.layer_count):
        for name in _layer_names(architecture):
            weights[f"{layer}.{name}"] = stored[f"model.layers.{layer}.{_HUGGING_FACE_NAMES[name]}"]
    return configuration, weights


def _hugging_face_scaling(rope):
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return {}
    if kind == "linear":
        return {"kind": "linear", "factor": rope["factor"]}
    if kind == "llama3":
        return {
            "kind": "llama3",
            "factor": rope["factor"],
            "low": rope["low_freq_factor"],
            "high": rope["high_freq_factor"],
            "original": rope["original_max_position_embeddings"],
        }
    raise ValueError(f"rope scaling {kind}: training reads default, linear and llama3")


def rotary_frequencies(configuration, device):
    size, scaling = configuration.head_size, configuration.rope_scaling
    steps = torch.arange(0, size, 2, device=device, dtype=torch.float32) / size
    frequencies = 1.0 / configuration.rope_theta**steps
    kind = scaling.get("kind")
    if kind == "linear":
        return frequencies / scaling["factor"]
    if kind == "divisors":
        return frequencies / torch.tensor(scaling["divisors"], device=device)
    if kind == "llama3":  # long wavelengths are stretched, the middle ones blended
        wavelengths = 2 * math.pi / frequencies
        blend = (scaling["original"] / wavelengths - scaling["low"]) / (scaling["high"] - scaling["low"])
        blend = blend.clamp(0, 1)
        return (1 - blend) * frequencies / scaling["factor"] + blend * frequencies
    return frequencies


def rotary_tables(configuration, positions, dtype):
    """(cos, sin), each [rows, tokens, head size], for integer positions [rows, tokens]."""
    angles = positions.float()[..., None] * rotary_frequencies(configuration, positions.device)
    angles = torch.cat([angles, angles], -1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rms_norm(x, weight, epsilon):
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + epsilon)).to(x.dtype) * weight


def rotate(x, cos, sin):
    """Rotary embedding in half-split order; x is [rows, tokens, heads, head size]."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * cos[:, :, None] + turned * sin[:, :, None]


def project(x, weight, bias, norm, head_size, cos, sin, epsilon):
    """A q or k projection: linear, optional bias, optional norm per head, rotary; [rows, heads, tokens,
    head size].
    """
    y = F.linear(x, weight, bias).unflatten(-1, (-1, head_size))
    if norm is not None:
        y = rms_norm(y, norm, epsilon)
    return rotate(y, cos, sin).transpose(1, 2)


def _before_attention(x, cos, sin, layer, size, epsilon):
    y = rms_norm(x, layer["n1"], epsilon)
    query = project(y, layer["q"], layer.get("qb"), layer.get("qn"), size, cos, sin, epsilon)
    key = project(y, layer["k"], layer.get("kb"), layer.get("kn"), size, cos, sin, epsilon)
    value = F.linear(y, layer["v"], layer.get("vb")).unflatten(-1, (-1, size)).transpose(1, 2)
    return query, key, value


def _after_attention(x, attended, layer, epsilon):
    x = x + F.linear(attended.transpose(1, 2).flatten(2), layer["o"])
    y = rms_norm(x, layer["n2"], epsilon)
    return x + F.linear(F.silu(F.linear(y, layer["gate"])) * F.linear(y, layer["up"]), layer["down"])


def _block(x, cos, sin, layer, size, epsilon):
    query, key, value = _before_attention(x, cos, sin, layer, size, epsilon)
    groups = query.shape[1] // key.shape[1]
    attended = F.scaled_dot_product_attention(
        query, key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1), is_causal=True
    )
    return _after_attention(x, attended, layer, epsilon), key, value


class Target:
    """A frozen decoder on one device. `weights` are in `dtype`; no gradient ever reaches them."""

    def __init__(self, configuration, weights, device, dtype, compiled=False):
        self.configuration, self.device, self.dtype = configuration, device, dtype
        self.weights = {}
        for name, weight in weights.items():  # tied tensors stay tied
            shared = name == "head" and weights["head"] is weights["embed"]
            self.weights[name] = self.weights["embed"] if shared else weight.to(device, dtype)
        names = _layer_names(configuration.architecture)
        self.layers = [{n: self.weights[f"{i}.{n}"] for n in names} for i in range(configuration.layer_count)]
        self._run_block = torch.compile(_block, dynamic=False) if compiled else _block

    @torch.no_grad()
    def body(self, ids, positions, kv_layers=(), state_layers=()):
        """(hidden after the output norm, {layer: (K, V)} after QK-norm and rotary, {layer: state after
        it}).
        """
        c, kept, states = self.configuration, {}, {}
        cos, sin = rotary_tables(c, positions, self.dtype)
        x = F.embedding(ids, self.weights["embed"])
        for number, layer in enumerate(self.layers):
            x, key, value = self._run_block(x, cos, sin, layer, c.head_size, c.norm_epsilon)
            if number in kv_layers:
                kept[number] = key, value
            if number in state_layers:
                states[number] = x
        return rms_norm(x, self.weights["norm"], c.norm_epsilon), kept, states

    @torch.no_grad()
    def generate(self, prompts, count, temperature=0.0, generator=None):
        """Continues prompts of one length: tokens [rows, count]. Temperature 0 takes the likeliest token."""
        c, (rows, length) = self.configuration, prompts.shape
        size = length + count
        shape = (rows, c.kv_head_count, size, c.head_size)
        keys = [torch.zeros(shape, device=self.device, dtype=self.dtype) for _ in self.layers]
        values = [torch.zeros(shape, device=self.device, dtype=self.dtype) for _ in self.layers]
        last, group = [], max(1, PREFILL_TOKENS // length)
        for first in range(0, rows, group):  # a few rows at a time: prompts are long
            part = slice(first, first + group)
            cached = [k[part] for k in keys], [v[part] for v in values]
            last.append(self._extend(prompts[part], 0, *cached)[:, -1:])
        x = torch.cat(last)
        out = []
        for step in range(count):
            normed = rms_norm(x, self.weights["norm"], c.norm_epsilon)
            logits = F.linear(normed, self.weights["head"])[:, -1].float()
            if temperature > 0:
                token = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
            else:
                token = logits.argmax(-1, keepdim=True)
            out.append(token)
            if step + 1 < count:
                x = self._extend(token, length + step, keys, values)
        return torch.cat(out, 1)

    def _extend(self, ids, start, keys, values):
        """Runs new tokens after `start` cached ones, writing their K and V; returns hidden states before
        the norm.
        """
        c, count = self.configuration, ids.shape[1]
        positions = torch.arange(start, start + count, device=self.device)[None]
        cos, sin = rotary_tables(c, positions, self.dtype)
        x = F.embedding(ids, self.weights["embed"])
        groups = c.head_count // c.kv_head_count
        for layer, all_keys, all_values in zip(self.layers, keys, values):
            query, key, value = _before_attention(x, cos, sin, layer, c.head_size, c.norm_epsilon)
            all_keys[:, :, start : start + count], all_values[:, :, start : start + count] = key, value
            if start == 0:
                attended = F.scaled_dot_product_attention(
                    query,
                    key.repeat_interleave(groups, 1),
                    value.repeat_interleave(groups, 1),
                    is_causal=True,
                )
            else:  # one new token: it sees everything so far
                grouped = query.unflatten(1, (c.kv_head_count, groups)).squeeze(3)
                attended = F.scaled_dot_product_attention(
                    grouped, all_keys[:, :, : start + count], all_values[:, :, : start + count]
                )
                attended = attended.flatten(1, 2).unsqueeze(2)
            x = _after_attention(x, attended, layer, c.norm_epsilon)
        return x
