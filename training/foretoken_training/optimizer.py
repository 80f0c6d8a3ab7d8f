"""Muon for matrices and Adam for vectors, on float32 master weights.

Muon (Jordan et al. 2024) orthogonalises the momentum by five Newton-Schulz steps; the update is scaled by
0.2 * sqrt(larger side), so that its size matches Adam's and one learning rate serves both (Liu et al. 2025,
"Muon is scalable for LLM training"). Matrices of one shape are stacked and updated together.
"""

import torch

MOMENTUM, WEIGHT_DECAY = 0.95, 0.1
BETA_1, BETA_2 = 0.9, 0.95


@torch.compile(dynamic=False)
def _orthogonalise(gradient):
    x = gradient.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x.mT if tall else x).float()


class Optimizer:
    """Updates `parameters` (name to float32 tensor) in place from gradients of the same names."""

    def __init__(self, parameters, learning_rate):
        self.parameters, self.learning_rate, self.step_count = parameters, learning_rate, 0
        self.stacks = {}
        for name, parameter in parameters.items():
            if parameter.ndim == 2:
                self.stacks.setdefault(tuple(parameter.shape), []).append(name)
        self.momentum = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.square = {name: torch.zeros_like(p) for name, p in parameters.items() if p.ndim == 1}

    @torch.no_grad()
    def step(self, gradients, scale):
        """One update at `learning_rate * scale`; gradients are clipped to a global norm of 1."""
        self.step_count += 1
        norm = torch.stack([g.float().norm() for g in gradients.values()]).norm()
        clip = (1.0 / (norm + 1e-6)).clamp(max=1.0)
        rate = self.learning_rate * scale
        for shape, names in self.stacks.items():
            updates = []
            for name in names:
                gradient, momentum = gradients[name].float() * clip, self.momentum[name]
                momentum.lerp_(gradient, 1 - MOMENTUM)
                updates.append(gradient.lerp(momentum, MOMENTUM))
            updates = _orthogonalise(torch.stack(updates)) * (0.2 * max(shape) ** 0.5)
            for name, update in zip(names, updates):
                self.parameters[name].mul_(1 - rate * WEIGHT_DECAY).add_(update, alpha=-rate)
        for name, square in self.square.items():
            gradient, mean = gradients[name].float() * clip, self.momentum[name]
            mean.lerp_(gradient, 1 - BETA_1)
            square.lerp_(gradient * gradient, 1 - BETA_2)
            corrected = mean / (1 - BETA_1**self.step_count)
            spread = (square / (1 - BETA_2**self.step_count)).sqrt() + 1e-10
            self.parameters[name].add_(corrected / spread, alpha=-rate)
        return norm

    def state(self):
        return {"step_count": self.step_count, "momentum": self.momentum, "square": self.square}

    def restore(self, state):
        self.step_count = state["step_count"]
        for name in self.momentum:
            self.momentum[name].copy_(state["momentum"][name])
        for name in self.square:
            self.square[name].copy_(state["square"][name])
