"""`train-draft`: trains a LongSpec draft for a frozen target. Start with torchrun for several GPUs.

The schedule follows the wall clock (or the steps), so a run of a given length always ends with a decayed,
quantised draft: short rows with anchor-offset indices first, rows of the full context from `--long-from` on;
weights on the Q4_0 grid (straight-through) from `--quantise-from` on; the learning rate falls linearly from
`--decay-from` to the end. Each batch trains several depths at once (flash noisy training: cross-attention
shifted by the depth). Writes log.jsonl, checkpoint.pt (resumable with the same command) and draft.pt.
"""

import json
import os
import time

import torch
import torch.distributed as dist

from . import draft as draft_layer
from . import export
from . import target as target_model
from .learner import Learner, Objective, agreement
from .rows import Mixture, TokenFolder, anchor_offset_positions, depth_schedule, plain_positions
from .tokens import dtype_of

CHECKPOINT_SECONDS = 60
WARM_UP_STEPS = 100
STATISTICS = ("divergence", "agreement", "overlap", "own_agreement")


def add_arguments(parser):
    parser.add_argument("--target", required=True, help="GGUF file or Hugging Face folder")
    parser.add_argument("--tokens", required=True, help="folder of token files from `tokens`")
    parser.add_argument("--own-text", help="folder of token files from `own-text`")
    parser.add_argument("--own-share", type=float, default=0.5, help="of the rows, if there is own text")
    parser.add_argument("--held-out", help="folder of held-out token files; agreement is measured at the end")
    parser.add_argument("--out", required=True)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="the schedule follows the clock")
    length.add_argument(
        "--steps", type=int, help="the schedule follows the steps: repeatable, and comparable"
    )
    parser.add_argument("--feed-forward", type=int, default=4608)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--target-layers", help="whose K/V to read, as '12' or '12,9' (default: the last)")
    parser.add_argument(
        "--hidden-layers", default="", help="whose states are an extra input, as '12,8' (default: none)"
    )
    parser.add_argument("--from-target", action="store_true", help="start from the target's own layers")
    parser.add_argument("--from-draft", help="start from this draft (GGUF or draft.pt) of the same shape")
    parser.add_argument("--deepest", type=int, default=8, help="deepest level trained")
    parser.add_argument("--short", type=int, default=2048, help="tokens of a short row")
    parser.add_argument(
        "--context", type=int, default=16384, help="tokens of a long row, and the largest index"
    )
    parser.add_argument("--batch-tokens", type=int, default=32768, help="per GPU and step")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--long-from", type=float, default=0.7)
    parser.add_argument("--quantise-from", type=float, default=0.6)
    parser.add_argument("--decay-from", type=float, default=0.4)
    parser.add_argument("--divergence", type=float, default=1.0)
    parser.add_argument("--likeliest", type=float, default=0.0)
    parser.add_argument("--text", type=float, default=0.0)
    parser.add_argument("--foreign-weight", type=float, default=1.0)
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first weights, the rows and their indices"
    )


class Group:
    """The processes of one run. Alone, every operation is the identity."""

    def __init__(self):
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.device = torch.device("cpu")  # for the smoke test; real runs need a GPU
        if torch.cuda.is_available():
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(self.device)
        if self.size > 1:
            on_gpu = self.device.type == "cuda"
            dist.init_process_group("nccl" if on_gpu else "gloo", device_id=self.device if on_gpu else None)

    def mean(self, tensors):
        """Averages a dictionary of tensors over the processes, as one message."""
        if self.size == 1:
            return tensors
        flat = torch.cat([t.float().flatten() for t in tensors.values()])
        dist.all_reduce(flat)
        parts = (flat / self.size).split([t.numel() for t in tensors.values()])
        return {name: part.view_as(t) for (name, t), part in zip(tensors.items(), parts)}

    def clock(self, seconds):
        """The first process's clock for all."""
        value = torch.tensor(float(seconds), device=self.device)
        if self.size > 1:
            dist.broadcast(value, 0)
        return value.item()

    def close(self):
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()


class Log:
    """JSON Lines on the first process only, and a short line on the terminal."""

    def __init__(self, path, group):
        self.file = open(path, "a") if group.rank == 0 else None

    def write(self, **entry):
        if self.file:
            self.file.write(json.dumps(entry) + "\n")
            self.file.flush()
            print(
                " ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items()),
                flush=True,
            )


def run(arguments):
    group = Group()
    os.makedirs(arguments.out, exist_ok=True)
    torch.set_float32_matmul_precision("high")
    torch._dynamo.config.cache_size_limit = 64
    configuration, weights = target_model.load(arguments.target)
    target = target_model.Target(configuration, weights, group.device, torch.bfloat16, compiled=True)
    numbers = lambda text: tuple(map(int, filter(None, (text or "").split(","))))
    shape = draft_layer.configuration_for(
        target,
        arguments.feed_forward,
        arguments.window,
        numbers(arguments.target_layers),
        hidden_layers=numbers(arguments.hidden_layers),
    )
    objective = Objective(arguments.divergence, arguments.likeliest, arguments.text, arguments.foreign_weight)
    learner = Learner(
        shape, target, objective, arguments.learning_rate, arguments.from_target, arguments.seed + 1
    )
    if arguments.from_draft:
        start_from(arguments.from_draft, learner, group)
    log = Log(os.path.join(arguments.out, "log.jsonl"), group)
    if group.rank == 0:
        with open(os.path.join(arguments.out, "settings.json"), "w") as file:
            json.dump(
                {
                    **vars(arguments),
                    "processes": group.size,
                    "torch": torch.__version__,
                    "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
                },
                file,
                indent=1,
            )
    train(arguments, group, learner, log)
    learner.refresh(quantised=True)
    if group.rank == 0:
        final = {n: draft_layer.q4_0_grid(p) if p.ndim == 2 else p for n, p in learner.parameters.items()}
        draft_layer.save(os.path.join(arguments.out, "draft.pt"), shape, final)
    if arguments.held_out:
        report_agreement(arguments, group, learner, log)
    group.close()


def start_from(path, learner, group):
    """Another draft's parameters in place of random ones. The optimizer starts anew."""
    configuration, parameters = export.load_draft(path, group.device)
    if configuration != learner.configuration:
        raise ValueError(f"{path} holds another draft: {configuration}; expected {learner.configuration}")
    for name, parameter in parameters.items():
        learner.parameters[name].copy_(parameter)
    learner.refresh(quantised=False)


def rows_of(arguments, learner, seed):
    """What the rows are drawn from: corpus tokens, and what the target wrote if there is any."""
    dtype = dtype_of(learner.target.configuration.vocabulary_size)
    data = TokenFolder(arguments.tokens, dtype, seed)
    if not arguments.own_text or arguments.own_share <= 0:
        return data
    return Mixture(data, TokenFolder(arguments.own_text, dtype, seed + 500), arguments.own_share)


def train(arguments, group, learner, log):
    path = os.path.join(arguments.out, "checkpoint.pt")
    before, step = restore(path, learner, group)
    seed = arguments.seed * 1000 + group.rank + step * 1_000_000  # a resumed run goes on to other rows
    data = rows_of(arguments, learner, seed)
    generator = torch.Generator(group.device).manual_seed(seed)
    start = saved = logged = time.time()
    totals, count = torch.zeros(len(STATISTICS), device=group.device), 0
    elapsed = group.clock(before)
    while True:
        if step % 10 == 0:
            elapsed = group.clock(before + time.time() - start)
        progress = step / arguments.steps if arguments.steps else elapsed / (arguments.minutes * 60)
        if progress >= 1:
            break
        quantised = progress >= arguments.quantise_from
        long = progress >= arguments.long_from
        totals += batch(arguments, learner, data, generator, long, step)
        count += 1
        fall = (1 - progress) / (1 - arguments.decay_from)
        scale = min(1.0, (step + 1) / WARM_UP_STEPS) * max(0.0, min(1.0, fall))
        learner.update(group.mean(learner.gradients()), scale, quantised)
        step += 1
        if step % 100 == 0:
            means = group.mean({"totals": totals / count})["totals"].tolist()
            rate = count * arguments.batch_tokens * group.size / (time.time() - logged)
            log.write(
                step=step,
                seconds=round(elapsed, 1),
                progress=round(progress, 4),
                long=long,
                quantised=quantised,
                scale=round(scale, 4),
                tokens_per_second=round(rate),
                **dict(zip(STATISTICS, (round(m, 4) for m in means))),
            )
            totals.zero_()
            count, logged = 0, time.time()
        if group.rank == 0 and time.time() - saved > CHECKPOINT_SECONDS:
            checkpoint(path, learner, step, before + time.time() - start)
            saved = time.time()
    if group.rank == 0:
        checkpoint(path, learner, step, before + time.time() - start)


def batch(arguments, learner, data, generator, long, step):
    """Forward and backward of one batch on this process; returns its statistics."""
    device = learner.target.device
    length = arguments.context if long else arguments.short
    rows = max(1, arguments.batch_tokens // length)
    ids = data.rows(rows, length, device)
    if long:
        positions = plain_positions(rows, length, device)
        spread = depth_schedule(16, arguments.deepest)  # few rows a batch: take turns over the batches
        shifts = sorted(spread[(step * rows + row) * 5 % 16] for row in range(rows))
    else:
        positions = anchor_offset_positions(rows, length, arguments.context, device, generator)
        shifts = depth_schedule(rows, arguments.deepest)
    c = learner.configuration
    outputs = learner.target.body(ids, positions, c.target_layers, c.hidden_layers)
    return learner.backward(ids, positions, shifts, outputs)


def checkpoint(path, learner, step, elapsed):
    draft_layer.save(
        path + ".partial",
        learner.configuration,
        learner.parameters,
        optimizer=learner.optimizer.state(),
        step=step,
        elapsed=elapsed,
    )
    os.replace(path + ".partial", path)


def restore(path, learner, group):
    """(seconds already trained, step); the clock goes on where the checkpoint left it."""
    if not os.path.exists(path):
        return 0.0, 0
    configuration, parameters, more = draft_layer.load(path, group.device)
    if configuration != learner.configuration:
        raise ValueError(f"{path} holds another draft: {configuration}; expected {learner.configuration}")
    for name, parameter in parameters.items():
        learner.parameters[name].copy_(parameter)
    learner.optimizer.restore(more["optimizer"])
    learner.refresh(quantised=False)
    return more["elapsed"], more["step"]


def report_agreement(arguments, group, learner, log):
    """Agreement on held-out rows, in turn over the processes, for short and full context."""
    data = TokenFolder(arguments.held_out, dtype_of(learner.target.configuration.vocabulary_size), 7)
    layer = draft_layer.Draft(learner.configuration, learner.target)
    for length, count in ((2048, 64), (arguments.context, 16)):
        rows = [data.rows(1, length, group.device) for _ in range(count)][group.rank :: group.size]
        found = agreement(layer, learner.working, learner.target, rows, range(1, arguments.deepest + 1))
        means = group.mean({"all": torch.tensor(list(found.values()), device=group.device)})["all"].tolist()
        for depth, (everywhere, own, divergence) in zip(found, means):
            log.write(
                held_out=length,
                depth=depth,
                agreement=round(everywhere, 4),
                own_agreement=round(own, 4),
                divergence=round(divergence, 4),
            )
