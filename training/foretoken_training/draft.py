"""The LongSpec draft: one decoder layer that reads the target's own K/V cache.

    h = embedding                                         (the target's)
    h += self-attention(norm(h)) over a sliding window    (own K/V, window counts the query's own position)
    h += cross-attention(norm(h)) to the K/V of one target layer, up to `shift` positions back
    h += SwiGLU(norm(h));  logits = head(norm(h))         (the target's head)

After LongSpec (Yang et al. 2025, arXiv 2502.17421, section 3.1), with QK-norm, an output norm and no
biases. The paper reads the target's last layer; which layer serves best is measured (`ablate`). `shift` is
the depth in a drafted chain: a token at depth d cannot see the target's K/V of the last d positions.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F

from .target import project, rms_norm, rotary_tables


@dataclass(frozen=True)
class DraftConfiguration:
    hidden_size: int
    head_count: int
    kv_head_count: int
    head_size: int
    feed_forward_size: int
    window: int
    target_layers: tuple  # whose K/V the cross-attention reads; each layer has its own projections
    rope_theta: float
    norm_epsilon: float
    cross_attention: bool = True  # off only in ablations
    hidden_layers: tuple = ()  # target layers whose states are an extra input, as in EAGLE


GGUF_NAMES = {
    "q": "draft.self_attn_q",
    "k": "draft.self_attn_k",
    "v": "draft.self_attn_v",
    "o": "draft.self_attn_output",
    "qn": "draft.self_attn_q_norm",
    "kn": "draft.self_attn_k_norm",
    "cq": "draft.cross_attn_q",
    "co": "draft.cross_attn_output",
    "cqn": "draft.cross_attn_q_norm",
    "gate": "draft.ffn_gate",
    "up": "draft.ffn_up",
    "down": "draft.ffn_down",
    "n1": "draft.self_attn_norm",
    "n2": "draft.cross_attn_norm",
    "n3": "draft.ffn_norm",
    "norm": "draft.output_norm",
}


def configuration_for(target, feed_forward_size, window, target_layers=None, **switches):
    c = target.configuration
    layers = tuple(target_layers or (c.layer_count - 1,))
    return DraftConfiguration(
        c.hidden_size,
        c.head_count,
        c.kv_head_count,
        c.head_size,
        feed_forward_size,
        window,
        layers,
        c.rope_theta,
        c.norm_epsilon,
        **switches,
    )


def cross_names(index):
    """Names of the projections that read the index-th target layer: query, its norm, output."""
    tail = "" if index == 0 else str(index)
    return "cq" + tail, "cqn" + tail, "co" + tail


def shapes(c):
    d, q, kv, f = (
        c.hidden_size,
        c.head_count * c.head_size,
        c.kv_head_count * c.head_size,
        c.feed_forward_size,
    )
    result = {
        "q": (q, d),
        "k": (kv, d),
        "v": (kv, d),
        "o": (d, q),
        "qn": (c.head_size,),
        "kn": (c.head_size,),
        "cq": (q, d),
        "co": (d, q),
        "cqn": (c.head_size,),
        "gate": (f, d),
        "up": (f, d),
        "down": (d, f),
        "n1": (d,),
        "n2": (d,),
        "n3": (d,),
        "norm": (d,),
    }
    for index in range(1, len(c.target_layers)):
        query, norm, output = cross_names(index)
        result.update({query: (q, d), norm: (c.head_size,), output: (d, q)})
    if c.hidden_layers:
        result["th"] = (d, d * len(c.hidden_layers))
    return result


def initial_parameters(c, target, from_target, seed):
    """Float32 parameters: random, or the target's own weights where a counterpart exists.

    The first layer's self-attention reads embeddings, as the draft's does; the last layer's query and
    output projections fit the K/V that the cross-attention reads; the last layer's SwiGLU writes what the
    head reads. A wider SwiGLU starts with the rest of its rows random and their outputs zero.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = {}
    for name, shape in shapes(c).items():
        if len(shape) == 1:
            parameters[name] = torch.ones(shape)
        else:
            spread = 0.02 / 28**0.5 if name[0] == "o" or name[:2] in ("co", "do", "th") else 0.02
            parameters[name] = torch.randn(shape, generator=generator) * spread
    if from_target:
        first, last = target.layers[0], target.layers[c.target_layers[0]]
        mapping = {
            "q": (first, "q"),
            "k": (first, "k"),
            "v": (first, "v"),
            "o": (first, "o"),
            "n1": (first, "n1"),
            "qn": (first, "qn"),
            "kn": (first, "kn"),
            "cq": (last, "q"),
            "co": (last, "o"),
            "cqn": (last, "qn"),
            "n2": (last, "n1"),
            "n3": (last, "n2"),
        }
        for name, (layer, source) in mapping.items():
            if source in layer:
                parameters[name] = layer[source].float().cpu().clone()
        for name in ("gate", "up", "down"):
            source = last[name].float().cpu()
            rows, columns = (min(a, b) for a, b in zip(source.shape, parameters[name].shape))
            if name == "down":
                parameters[name].zero_()
            parameters[name][:rows, :columns] = source[:rows, :columns]
        parameters["norm"] = target.weights["norm"].float().cpu().clone()
    return {name: parameter.to(target.device) for name, parameter in parameters.items()}


def _begin(x, w, cos, sin, size, epsilon):
    y = rms_norm(x, w["n1"], epsilon)
    query = project(y, w["q"], None, w["qn"], size, cos, sin, epsilon)
    key = project(y, w["k"], None, w["kn"], size, cos, sin, epsilon)
    value = F.linear(y, w["v"]).unflatten(-1, (-1, size)).transpose(1, 2)
    return query, key, value


def _middle(x, attended, extra, w, cos, sin, size, epsilon):
    """The queries are one per target layer read. The extra input enters here, after the self-attention, so
    that the draft's own K/V stay functions of the tokens alone.
    """
    x = x + F.linear(attended.transpose(1, 2).flatten(2), w["o"])
    if extra is not None:
        x = x + extra
    y, queries, index = rms_norm(x, w["n2"], epsilon), [], 0
    while cross_names(index)[0] in w:
        query, norm, _ = cross_names(index)
        queries.append(project(y, w[query], None, w[norm], size, cos, sin, epsilon))
        index += 1
    return x, queries


def _finish(x, attended, w, epsilon):
    for index, part in enumerate(attended):
        x = x + F.linear(part.transpose(1, 2).flatten(2), w[cross_names(index)[2]])
    y = rms_norm(x, w["n3"], epsilon)
    x = x + F.linear(F.silu(F.linear(y, w["gate"])) * F.linear(y, w["up"]), w["down"])
    return rms_norm(x, w["norm"], epsilon)


_compiled = {}


def _maybe_compiled(function, compiled):
    if not compiled:
        return function
    return _compiled.setdefault(function, torch.compile(function, dynamic=False))


def window_attention(query, key, value, window):
    """Causal attention in which a query sees `window` keys at most, its own included.

    Blocks of one window each attend to themselves and the block before, so memory is linear in the row's
    length.
    """
    rows, heads, length, size = query.shape
    if length <= window:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    spare = -length % window  # padding after the end is never seen
    if spare:
        query, key, value = (F.pad(x, (0, 0, 0, spare)) for x in (query, key, value))
        return window_attention(query, key, value, window)[:, :, :length]
    count = length // window
    first = F.scaled_dot_product_attention(
        query[:, :, :window], key[:, :, :window], value[:, :, :window], is_causal=True
    )
    blocks = lambda x: x.unflatten(2, (count, window))
    pairs = lambda x: torch.cat([blocks(x)[:, :, :-1], blocks(x)[:, :, 1:]], 3)
    fold = lambda x: x.transpose(1, 2).flatten(0, 1)  # [rows * blocks, heads, tokens, head size]
    i = torch.arange(window, device=query.device)[:, None]
    j = torch.arange(2 * window, device=query.device)[None]
    mask = (j > i) & (j <= i + window)  # key j stands at j - window relative to the query's block
    rest = F.scaled_dot_product_attention(
        fold(blocks(query)[:, :, 1:]), fold(pairs(key)), fold(pairs(value)), attn_mask=mask
    )
    rest = rest.unflatten(0, (rows, count - 1)).transpose(1, 2).flatten(2, 3)
    return torch.cat([first, rest], 2)


def cross_attention(query, key, value, shifts):
    """Query i of row r sees target keys 0 ... i - shifts[r]; with none to see, the result is zero.

    Consecutive rows of one shift run as one causal attention over queries and keys cut to matching lengths.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    parts, start = [], 0
    while start < len(shifts):
        end = start
        while end < len(shifts) and shifts[end] == shifts[start]:
            end += 1
        shift, length = shifts[start], query.shape[2]
        attended = F.scaled_dot_product_attention(
            query[start:end, :, shift:],
            key[start:end, :, : length - shift],
            value[start:end, :, : length - shift],
            is_causal=True,
        )
        parts.append(F.pad(attended, (0, 0, shift, 0)))
        start = end
    return torch.cat(parts)


class Draft:
    """The layer with weights `w` (any dtype): `hidden` gives states ready for the target's head."""

    def __init__(self, configuration, target, compiled=False):
        self.configuration, self.target = configuration, target
        self._begin, self._middle, self._finish = (
            _maybe_compiled(f, compiled) for f in (_begin, _middle, _finish)
        )

    def extra_input(self, w, states):
        """What the target's states at the newest verified position add for every draft token of a round."""
        one = torch.ones((), device=states[0].device, dtype=states[0].dtype)
        return F.linear(
            torch.cat([rms_norm(s, one, self.configuration.norm_epsilon) for s in states], -1), w["th"]
        )

    def hidden(self, w, ids, positions, kv, states, shifts):
        """States [rows, tokens, hidden]. `shifts`: one depth per row; `kv`, `states`: what `Target.body`
        returned.
        """
        c = self.configuration
        x = F.embedding(ids, self.target.weights["embed"])
        extra = None
        if c.hidden_layers:  # position i knows the target's states up to i - shift
            extra = self.extra_input(w, [states[layer] for layer in c.hidden_layers])
            extra = torch.stack([F.pad(extra[r, :-s], (0, 0, s, 0)) for r, s in enumerate(shifts)])
        cos, sin = rotary_tables(self.target.configuration, positions, x.dtype)
        query, own_key, own_value = self._begin(x, w, cos, sin, c.head_size, c.norm_epsilon)
        groups = c.head_count // c.kv_head_count
        attended = window_attention(
            query, own_key.repeat_interleave(groups, 1), own_value.repeat_interleave(groups, 1), c.window
        )
        x, queries = self._middle(x, attended, extra, w, cos, sin, c.head_size, c.norm_epsilon)
        attended = []
        if c.cross_attention:
            attended = [
                cross_attention(query, *kv[layer], shifts) for query, layer in zip(queries, c.target_layers)
            ]
        return self._finish(x, attended, w, c.norm_epsilon)


def q4_0_grid(weight):
    """The nearest point of the Q4_0 grid (blocks of 32 along the input, fp16 scale), as `gguf_file` writes
    it.
    """
    blocks = weight.float().reshape(-1, 32)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = (largest / -8).half().float()
    inverse = torch.where(scale != 0, 1.0 / scale, torch.zeros_like(scale))
    return (((blocks * inverse + 8.5).floor().clamp(0, 15) - 8) * scale).reshape(weight.shape)


def save(path, configuration, parameters, **more):
    torch.save(
        {
            "configuration": asdict(configuration),
            "parameters": {name: p.detach().cpu() for name, p in parameters.items()},
            **more,
        },
        path,
    )


def load(path, device="cpu"):
    """(configuration, float32 parameters, whatever else was saved)."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    parameters = {name: p.float().to(device) for name, p in stored.pop("parameters").items()}
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.pop("configuration").items()}
    return DraftConfiguration(**settings), parameters, stored
