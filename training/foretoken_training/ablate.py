"""`ablate`: trains variants of a draft side by side on identical batches and compares them on held-out
rows.

All variants take the same steps on the same rows at the same time, so that the target runs once for all of
them and differences are paired. Each variant changes one thing of the baseline. Rows are short; what a
variant learned about long contexts shows on held-out rows of the full context. Writes ablations.jsonl (one
line per variant and evaluation).
"""

import json
import os
import time
from dataclasses import dataclass, field

import torch

from . import draft as draft_layer
from . import target as target_model
from .learner import Learner, Objective, agreement
from .rows import TokenFolder, anchor_offset_positions, depth_schedule, plain_positions
from .tokens import dtype_of

DECAY_SHARE = 0.5
WARM_UP_STEPS = 100
REPORTED_DEPTHS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Variant:
    """Layers are counted from the end: 1 is the target's last."""

    meaning: str
    feed_forward: int = 1792
    window: int = 512
    layers: tuple = (1,)
    hidden: tuple = ()
    cross_attention: bool = True
    from_target: bool = False
    anchor_offset: bool = True
    deepest: int = 8
    learning_rate: float = 4e-3
    objective: Objective = field(default_factory=Objective)


VARIANTS = {
    "baseline": Variant("last layer's K/V, anchor-offset, shifts 1-8, window 512, KL, random start"),
    "from-target": Variant("start from the target's own layers", from_target=True),
    "no-anchor-offset": Variant("plain positions", anchor_offset=False),
    "no-noisy-shift": Variant("shift 1 only", deepest=1),
    "window-256": Variant("window 256", window=256),
    "window-1024": Variant("window 1024", window=1024),
    "no-cross-attention": Variant("no cross-attention", cross_attention=False),
    "layer-2nd-last": Variant("K/V of the last layer but one", layers=(2,)),
    "layer-3rd-last": Variant("K/V of the last layer but two", layers=(3,)),
    "layer-4th-last": Variant("K/V of the last layer but three", layers=(4,)),
    "layer-6th-last": Variant("K/V of the last layer but five", layers=(6,)),
    **{
        f"layer-{n}th-last": Variant(f"K/V of layer {n} from the end", layers=(n,))
        for n in (5, 7, 8, 9, 10, 11, 12, 13, 14)
    },
    "layers-6-8": Variant("K/V of two layers: 6th and 8th from the end", layers=(6, 8)),
    "layers-6-10": Variant("K/V of two layers: 6th and 10th from the end", layers=(6, 10)),
    "layers-6-3": Variant("K/V of two layers: 6th and 3rd from the end", layers=(6, 3)),
    "layer-6-hidden": Variant(
        "K/V of the 6th layer from the end and the last state", layers=(6,), hidden=(1,)
    ),
    "layer-6-rate-double": Variant(
        "K/V of the 6th layer from the end, learning rate 8e-3", layers=(6,), learning_rate=8e-3
    ),
    "layers-2-5": Variant("K/V of two layers: 2nd and 5th from the end", layers=(2, 5)),
    "layers-2-4-8": Variant("K/V of three layers: 2nd, 4th and 8th from the end", layers=(2, 4, 8)),
    "hidden-last": Variant("extra input: the target's last state", hidden=(1,)),
    "hidden-2-5-10": Variant(
        "extra input: states of the 2nd, 5th and 10th layer from the end", hidden=(2, 5, 10)
    ),
    "layer-2-hidden": Variant(
        "K/V of the last layer but one, and those three states", layers=(2,), hidden=(2, 5, 10)
    ),
    "feed-forward-4608": Variant("SwiGLU 4,608 wide", feed_forward=4608),
    "likeliest": Variant("cross-entropy with the target's likeliest token", objective=Objective(0, 1)),
    "half-likeliest": Variant("half KL, half that cross-entropy", objective=Objective(0.5, 0.5)),
    "text-labels": Variant("cross-entropy with the text", objective=Objective(0, 0, 1)),
    "own-choice": Variant(
        "KL; weight 0.25 after a token the target would not choose", objective=Objective(1, 0, 0, 0.25)
    ),
    "rate-half": Variant("learning rate 2e-3", learning_rate=2e-3),
    "rate-double": Variant("learning rate 8e-3", learning_rate=8e-3),
}


def add_arguments(parser):
    parser.add_argument("--target", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument(
        "--minutes", type=float, default=60, help="decay and stop by then, whatever the step count"
    )
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--rows", type=int, default=16, help="of 2,048 tokens, in each step")
    parser.add_argument("--evaluate-every", type=int, default=500)
    parser.add_argument("--context", type=int, default=16384)


def run(arguments):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    torch._dynamo.config.cache_size_limit = 64
    os.makedirs(arguments.out, exist_ok=True)
    configuration, weights = target_model.load(arguments.target)
    target = target_model.Target(configuration, weights, device, torch.bfloat16, compiled=True)
    chosen = {name: VARIANTS[name] for name in arguments.variants.split(",")}
    learners = {}
    for name, v in chosen.items():
        count = configuration.layer_count
        shape = draft_layer.configuration_for(
            target,
            v.feed_forward,
            v.window,
            tuple(count - layer for layer in v.layers),
            cross_attention=v.cross_attention,
            hidden_layers=tuple(count - layer for layer in v.hidden),
        )
        learners[name] = Learner(shape, target, v.objective, v.learning_rate, v.from_target)
    dtype = dtype_of(configuration.vocabulary_size)
    data, held_out = TokenFolder(arguments.tokens, dtype, 11), TokenFolder(arguments.held_out, dtype, 7)
    evaluation = {
        2048: [held_out.rows(1, 2048, device) for _ in range(16)],
        arguments.context: [held_out.rows(1, arguments.context, device) for _ in range(4)],
    }
    generator = torch.Generator(device).manual_seed(11)
    start, total = time.time(), arguments.steps
    with open(os.path.join(arguments.out, "ablations.jsonl"), "a") as out:
        step = 0
        while step < total:
            share = max(step / total, (time.time() - start) / (arguments.minutes * 60))
            scale = min(1.0, (step + 1) / WARM_UP_STEPS) * max(0.0, min(1.0, (1 - share) / DECAY_SHARE))
            train_step(arguments, chosen, learners, data, generator, scale)
            step += 1
            if share >= 1:
                total = step
            if step % 100 == 0:
                print(f"step {step} {time.time() - start:.1f} s", flush=True)
            if step % arguments.evaluate_every == 0 or step == total:
                report(arguments, chosen, learners, target, evaluation, step, step == total, start, out)
        for name, learner in learners.items():
            draft_layer.save(
                os.path.join(arguments.out, f"{name}.pt"),
                learner.configuration,
                {n: p.bfloat16() for n, p in learner.parameters.items()},
            )


def train_step(arguments, chosen, learners, data, generator, scale):
    target = next(iter(learners.values())).target
    ids = data.rows(arguments.rows, 2048, target.device)
    positions = {
        True: anchor_offset_positions(arguments.rows, 2048, arguments.context, target.device, generator),
        False: plain_positions(arguments.rows, 2048, target.device),
    }
    layers = {layer for learner in learners.values() for layer in learner.configuration.target_layers}
    states = {layer for learner in learners.values() for layer in learner.configuration.hidden_layers}
    outputs = {
        kind: target.body(ids, positions[kind], layers, states)
        for kind in {v.anchor_offset for v in chosen.values()}
    }
    for name, learner in learners.items():
        kind = chosen[name].anchor_offset
        learner.backward(
            ids, positions[kind], depth_schedule(arguments.rows, chosen[name].deepest), outputs[kind]
        )
        learner.update(learner.gradients(), scale, quantised=False)


def report(arguments, chosen, learners, target, evaluation, step, last, start, out):
    for name, learner in learners.items():
        layer = draft_layer.Draft(learner.configuration, target)
        entry = {
            "variant": name,
            "meaning": chosen[name].meaning,
            "step": step,
            "last": last,
            "seconds": round(time.time() - start, 1),
            "tokens": step * arguments.rows * 2048,
        }
        for length, rows in evaluation.items():
            depths = REPORTED_DEPTHS if last else (1, 4)
            found = agreement(layer, learner.working, target, rows, depths)
            entry[str(length)] = {d: [round(x, 4) for x in values] for d, values in found.items()}
        out.write(json.dumps(entry) + "\n")
        out.flush()
        print(
            f"{step:6d} {name:20s}"
            + "".join(
                f"  {length}: "
                + " ".join(f"d{d} {v[0]:.3f}/{v[1]:.3f}/{v[2]:.3f}" for d, v in entry[str(length)].items())
                for length in evaluation
            ),
            flush=True,
        )
