"""`golden`: reference values of the draft layer, in float32 on the de-quantised weights, for the engine's
tests.

`--draft-out` repeats the cases of an existing target golden file (their prompt tokens are taken from it) at
depths 1-4. `--long-out` makes one case of 15,000 tokens and more from this project's own sources, with the
target's logits too; where transformers is installed these come from its Qwen3 implementation, otherwise
from this package.
"""

import json
import os

import torch
import torch.nn.functional as F

from . import draft as draft_layer
from . import export
from . import target as target_model
from .tokenizer import tokenizer_of

CASES = ("python-plain", "spm-file", "spm-repo-4k")
DEPTHS = (1, 2, 3, 4)
LONG_TOKEN_COUNT = 15_360
NOTE = (
    "row at position i: sliding window of {window} own keys including i; cross-attention to the K,V of "
    "target layer {layer} (counted from 0, after QK-norm and RoPE) at positions 0..i-shift; "
    "logits = target embedding x RMSNorm(draft.output_norm)"
)


def add_arguments(parser):
    parser.add_argument("--target", required=True)
    parser.add_argument("--draft", required=True)
    parser.add_argument("--target-golden", help="target.json, whose prompt tokens are used")
    parser.add_argument("--draft-out")
    parser.add_argument("--sources", nargs="*", help="files of this project that make the long prompt")
    parser.add_argument("--long-out")
    parser.add_argument("--compare", help="an existing draft golden: print the largest difference")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def run(arguments):
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    configuration, weights = target_model.load(arguments.target)
    target = target_model.Target(configuration, weights, torch.device(arguments.device), torch.float32)
    shape, parameters = export.load_draft(arguments.draft, target.device)
    layer = draft_layer.Draft(shape, target)
    name = os.path.basename(arguments.draft)
    note = NOTE.format(window=shape.window, layer=shape.target_layers[0])
    if arguments.target_golden:
        with open(arguments.target_golden) as file:
            stored = json.load(file)["cases"]
        cases = {case: draft_rows(layer, parameters, target, stored[case]["prompt_tokens"]) for case in CASES}
        if arguments.compare:
            compare(cases, arguments.compare)
        if arguments.draft_out:
            write(arguments.draft_out, {"draft": name, "note": note, "cases": cases})
    if arguments.long_out:
        ids = long_prompt(arguments.sources, tokenizer_of(arguments.target))
        reference, rows = target_rows(target, ids)
        write(
            arguments.long_out,
            {
                "model": os.path.basename(arguments.target),
                "draft": name,
                "reference": reference,
                "note": note,
                "cases": {
                    "spm-repo-15k": {
                        "prompt_tokens": ids,
                        "last8_top10": rows,
                        **draft_rows(layer, parameters, target, ids),
                    }
                },
            },
        )


def write(path, content):
    with open(path, "w") as file:
        json.dump(content, file)
        file.write("\n")


def top10(logits):
    values, indices = logits.float().cpu().topk(10)
    return [[i, round(v, 4)] for i, v in zip(indices.tolist(), values.tolist())]


@torch.no_grad()
def draft_rows(layer, parameters, target, ids):
    ids = torch.tensor([ids], device=target.device)
    positions = torch.arange(ids.shape[1], device=target.device)[None]
    c = layer.configuration
    _, kv, states = target.body(ids, positions, c.target_layers, c.hidden_layers)
    rows = {}
    for depth in DEPTHS:
        state = layer.hidden(parameters, ids, positions, kv, states, [depth])[0, -8:]
        rows[f"shift{depth}_last8_top10"] = [top10(v) for v in F.linear(state, target.weights["head"])]
    return rows


@torch.no_grad()
def target_rows(target, ids):
    """(what computed it, last eight rows of logits)."""
    tensor = torch.tensor([ids], device=target.device)
    positions = torch.arange(len(ids), device=target.device)[None]
    own = F.linear(target.body(tensor, positions)[0][0, -8:], target.weights["head"])
    try:
        model = transformers_model(target)
    except ImportError:
        return "float32 on the dequantised weights", [top10(v) for v in own]
    logits = model(tensor, use_cache=False, logits_to_keep=8).logits[0]
    difference = (logits - own).abs().max().item()
    print(
        f"target logits: largest difference between transformers and this package {difference:.2e}",
        flush=True,
    )
    return "transformers float32 on the dequantised weights", [top10(v) for v in logits]


def transformers_model(target):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    c = target.configuration
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=c.vocabulary_size,
            hidden_size=c.hidden_size,
            intermediate_size=c.feed_forward_size,
            num_hidden_layers=c.layer_count,
            num_attention_heads=c.head_count,
            num_key_value_heads=c.kv_head_count,
            head_dim=c.head_size,
            rms_norm_eps=c.norm_epsilon,
            tie_word_embeddings=True,
            max_position_embeddings=32768,
            rope_parameters={"rope_type": "default", "rope_theta": c.rope_theta},
        )
    ).float()
    state = {
        "model.embed_tokens.weight": target.weights["embed"],
        "model.norm.weight": target.weights["norm"],
        "lm_head.weight": target.weights["head"],
    }
    for number in range(c.layer_count):
        for ours, theirs in target_model._HUGGING_FACE_NAMES.items():
            if f"{number}.{ours}" in target.weights:
                state[f"model.layers.{number}.{theirs}"] = target.weights[f"{number}.{ours}"]
    problems = model.load_state_dict(state, strict=False)
    if problems.missing_keys or problems.unexpected_keys:
        raise RuntimeError(f"weights do not fit transformers' Qwen3: {problems}")
    return model.to(target.device).eval()


def long_prompt(paths, tokenizer):
    """Context files, then the last one with a hole in its middle, SPM order; exactly LONG_TOKEN_COUNT ids."""
    texts = {os.path.basename(path): open(path).read() for path in paths}
    *context, current = texts
    ids = []
    for name in context:
        ids += [tokenizer.file, *tokenizer.encode(f"training/{name}\n{texts[name]}")]
    text = texts[current]
    middle = text.index("\n", len(text) // 2) + 1
    tail = [
        tokenizer.file,
        *tokenizer.encode(f"training/{current}\n"),
        tokenizer.suffix,
        *tokenizer.encode(text[middle:][:1500]),
        tokenizer.prefix,
        *tokenizer.encode(text[:middle][-5000:]),
        tokenizer.middle,
    ]
    head = [tokenizer.repository, *tokenizer.encode("foretoken\n")]
    room = LONG_TOKEN_COUNT - len(head) - len(tail)
    if len(ids) < room:
        raise ValueError(f"the sources give {len(ids)} tokens of context; {room} are needed")
    return head + ids[:room] + tail


def compare(cases, path):
    """Prints how far our values lie from stored ones, over tokens that both list."""
    with open(path) as file:
        stored = json.load(file)["cases"]
    worst, shared, total = 0.0, 0, 0
    for name, case in cases.items():
        for key, rows in case.items():
            for row, other in zip(rows, stored[name][key]):
                other = dict(map(tuple, other))
                total += len(row)
                for token, value in row:
                    if token in other:
                        shared += 1
                        worst = max(worst, abs(value - other[token]))
    print(
        f"compared with {path}: {shared} of {total} tokens shared, largest difference {worst:.2e}", flush=True
    )
