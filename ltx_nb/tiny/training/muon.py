"""Muon: momentum, orthogonalised. On these small convolutions it needs about a fifth of AdamW's time.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). torch.optim.Muon takes
matrices only;
here every weight with two or more dimensions is flattened to [out, rest], and equal shapes are orthogonalised together.
"""

from __future__ import annotations

from collections import defaultdict

import torch


def orthogonalise(matrices: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrices to [N, rows, cols], by the paper's quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    for _ in range(iterations):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for weights, AdamW for vectors and whatever `adam_names` matches; one learning rate scale for both.

    Args:
        named_parameters: pairs of (name, parameter).
        lr: Muon's rate: the root mean square of one update relative to a weight of unit spectral norm.
        adam_lr: AdamW's rate.
        adam_names: parameters whose name contains one of these are left to AdamW (embeddings, tables).
    """

    def __init__(self, named_parameters, lr=0.02, adam_lr=1e-3, momentum=0.95, weight_decay=0.0, adam_names=()):
        muon, adam = [], []
        for name, parameter in named_parameters:
            if parameter.requires_grad:
                plain = parameter.ndim < 2 or any(part in name for part in adam_names)
                (adam if plain else muon).append(parameter)
        groups = [dict(params=muon, lr=lr, kind="muon"), dict(params=adam, lr=adam_lr, kind="adam")]
        super().__init__([g for g in groups if g["params"]], dict(momentum=momentum, weight_decay=weight_decay))
        self.full_lr = [group["lr"] for group in self.param_groups]

    def scale_lr(self, factor: float) -> None:
        """Set every rate to its full value times `factor`, for warm-up and decay."""
        for group, full in zip(self.param_groups, self.full_lr, strict=True):
            group["lr"] = full * factor

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            live = [p for p in group["params"] if p.grad is not None]
            if group["weight_decay"]:
                torch._foreach_mul_(live, 1 - group["lr"] * group["weight_decay"])
            (self._muon if group["kind"] == "muon" else self._adam)(live, group)

    def _muon(self, parameters, group):
        for p in parameters:
            if not self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        gradients, momenta = [p.grad for p in parameters], [self.state[p]["momentum"] for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        by_shape = defaultdict(list)
        for p, update in zip(parameters, torch._foreach_lerp(gradients, momenta, group["momentum"]), strict=True):
            by_shape[p.flatten(1).shape].append((p, update))
        for (rows, cols), pairs in by_shape.items():
            matrices = torch.stack([update.flatten(1) for _, update in pairs])
            # A card's matrix units have no fp32, and the iteration forgives what bf16 rounds.
            made = orthogonalise(matrices.bfloat16()).float() if matrices.is_cuda else orthogonalise(matrices)
            updates = [update.reshape(p.shape) for (p, _), update in zip(pairs, made, strict=True)]
            torch._foreach_add_([p for p, _ in pairs], updates, alpha=-group["lr"] * max(1.0, rows / cols) ** 0.5)

    def _adam(self, parameters, group, betas=(0.9, 0.99), eps=1e-8):
        for p in parameters:
            if not self.state[p]:
                self.state[p].update(step=0, first=torch.zeros_like(p), second=torch.zeros_like(p))
            self.state[p]["step"] += 1
        if not parameters:
            return
        gradients = [p.grad for p in parameters]
        first, second = ([self.state[p][name] for p in parameters] for name in ("first", "second"))
        torch._foreach_lerp_(first, gradients, 1 - betas[0])
        torch._foreach_lerp_(second, torch._foreach_mul(gradients, gradients), 1 - betas[1])
        steps = [self.state[p]["step"] for p in parameters]
        divisors = torch._foreach_div(second, [1 - betas[1] ** step for step in steps])
        torch._foreach_sqrt_(divisors)
        torch._foreach_add_(divisors, eps)
        torch._foreach_addcdiv_(parameters, first, divisors, [-group["lr"] / (1 - betas[0] ** step) for step in steps])
