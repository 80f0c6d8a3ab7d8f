"""One draft being trained: its float32 parameters, their bfloat16 (or Q4_0-grid) copies, its loss and its
optimizer.

The loss compares the draft's next-token distribution with the target's at every position, as a mixture of
the forward Kullback-Leibler divergence, the cross-entropy with the target's likeliest token, and the
cross-entropy with the text. Training text is not what the target would write; positions whose last token is
not the target's own choice can be given a smaller weight, because a draft is only ever asked after a token
that the target chose.

Self-feeding needs no code here: this layer feeds nothing of itself forward but tokens (its K/V are
functions of the embeddings alone), and a drafted token is only followed up usefully when it is the target's
own. At depth d the layer sees exactly what it sees in training with shift d on text that the target wrote.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from . import draft
from .optimizer import Optimizer

CHUNK = 4096  # positions whose float32 logits are in memory at once


@dataclass(frozen=True)
class Objective:
    divergence: float = 1.0  # weight of KL(target || draft)
    likeliest: float = 0.0  # weight of cross-entropy with the target's likeliest token
    text: float = 0.0  # weight of cross-entropy with the text's next token
    foreign_weight: float = 1.0  # of positions whose last token is not the target's likeliest


@torch.compile(dynamic=False)
def _loss(student_state, teacher_state, head, ids, mixture):
    """(loss, statistics): statistics are [KL, agreement, overlap, agreement where the last token is the
    target's].
    """
    student = F.linear(student_state, head).float()
    teacher = F.linear(teacher_state, head).float()
    student_log = student.log_softmax(-1)
    teacher_log = teacher.log_softmax(-1)
    probability = teacher_log.exp()
    divergence = (probability * (teacher_log - student_log)).sum(-1)
    top = teacher.argmax(-1)
    hard = -student_log.gather(-1, top[..., None])[..., 0]
    text = -student_log[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    own = torch.cat([torch.zeros_like(top[:, :1], dtype=torch.bool), top[:, :-1] == ids[:, 1:]], 1)
    weight = torch.where(own, 1.0, mixture[3])
    each = mixture[0] * divergence + mixture[1] * hard + mixture[2] * F.pad(text, (0, 1))
    loss = (each * weight).sum() / weight.sum()
    with torch.no_grad():
        same = (student.argmax(-1) == top).float()
        overlap = torch.minimum(probability, student_log.exp()).sum(-1)
        statistics = torch.stack(
            [divergence.mean(), same.mean(), overlap.mean(), (same * own).sum() / own.sum()]
        )
    return loss, statistics


class Learner:
    def __init__(self, configuration, target, objective, learning_rate, from_target=True, seed=2):
        self.configuration, self.target = configuration, target
        self.draft = draft.Draft(configuration, target, compiled=True)
        self.parameters = draft.initial_parameters(configuration, target, from_target, seed)
        self.working = {name: p.bfloat16().requires_grad_() for name, p in self.parameters.items()}
        self.optimizer = Optimizer(self.parameters, learning_rate)
        self.mixture = torch.tensor(
            [objective.divergence, objective.likeliest, objective.text, objective.foreign_weight],
            device=target.device,
        )

    def backward(self, ids, positions, shifts, outputs):
        """Adds one batch's gradients; `outputs` is what `Target.body` returned for it. Returns the
        statistics.
        """
        normed, kv, states = outputs
        state = self.draft.hidden(self.working, ids, positions, kv, states, shifts)
        loss, statistics = _loss(state, normed, self.target.weights["head"], ids, self.mixture)
        loss.backward()
        return statistics

    def gradients(self):
        """Of unused parameters (ablations switch inputs off) the gradient is zero."""
        return {
            name: w.grad if w.grad is not None else torch.zeros_like(w) for name, w in self.working.items()
        }

    @torch.no_grad()
    def update(self, gradients, scale, quantised):
        self.optimizer.step(gradients, scale)
        self.refresh(quantised)

    @torch.no_grad()
    def refresh(self, quantised):
        """Copies the master parameters to the working ones: straight-through Q4_0 when `quantised`."""
        for name, parameter in self.parameters.items():
            on_grid = quantised and parameter.ndim == 2
            self.working[name].data.copy_(_grid(parameter) if on_grid else parameter)
            self.working[name].grad = None


_grid = torch.compile(draft.q4_0_grid, dynamic=False)


@torch.no_grad()
def agreement(layer, weights, target, rows, depths):
    """{depth: [top-1 agreement, the same where the last token is the target's likeliest, KL(target ||
    draft)]}.

    `rows` is a list of [1, tokens] id tensors at plain positions. The first positions, which see no key,
    are left out.
    """
    head, skip = target.weights["head"], max(depths)
    sums = {depth: torch.zeros(5, device=target.device) for depth in depths}
    for ids in rows:
        positions = torch.arange(ids.shape[1], device=ids.device)[None]
        c = layer.configuration
        normed, kv, states = target.body(ids, positions, c.target_layers, c.hidden_layers)
        top = torch.cat([F.linear(part, head).argmax(-1) for part in normed[0].split(CHUNK)])
        own = F.pad(top[:-1] == ids[0, 1:], (1, 0))
        for depth in depths:
            state = layer.hidden(weights, ids, positions, kv, states, [depth])[0]
            for first in range(0, ids.shape[1], CHUNK):
                part = slice(max(first, skip), first + CHUNK)
                student = F.linear(state[part], head).float().log_softmax(-1)
                teacher = F.linear(normed[0, part], head).float().log_softmax(-1)
                same, mine = student.argmax(-1) == top[part], own[part]
                divergence = (teacher.exp() * (teacher - student)).sum()
                sums[depth] += torch.stack(
                    [same.sum(), (same & mine).sum(), divergence, mine.sum(), torch.ones_like(mine).sum()]
                ).float()
    return {
        depth: [(s[0] / s[4]).item(), (s[1] / s[3]).item(), (s[2] / s[4]).item()] for depth, s in sums.items()
    }
