"""Optimizers by name: AdamW and Adafactor from torch, LAMB from here.

AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101. Adafactor: Shazeer and Stern 2018, arXiv 1804.04235. LAMB: You et
al. 2020, arXiv 1904.00962, Algorithm 2, with φ(z) = min(z, 10) as in the code that LiteTransformerSearch trained with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tradewind.training.recipe import Recipe

LARGEST_NORM = 10.0
"""Where LAMB's φ cuts the norm of the weights."""


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay acts on a parameter: on matrices and embeddings, not on biases, norms and scales."""
    return parameter.ndim >= 2 and not name.endswith("bias")


def make_optimizer(named: Iterable[tuple[str, nn.Parameter]], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer for named parameters; those that train (`requires_grad`) only."""
    pairs = [(name, p) for name, p in named if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in pairs if decays(name, p)], "weight_decay": recipe.weight_decay},
        {"params": [p for name, p in pairs if not decays(name, p)], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate, betas, eps = recipe.learning_rate, recipe.betas, recipe.eps
    if recipe.optimizer == "lamb":
        return Lamb(groups, rate, betas, eps)
    if recipe.optimizer == "adafactor":
        return torch.optim.Adafactor(groups, lr=rate)
    return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=eps, fused=True)


class Lamb(torch.optim.Optimizer):
    """LAMB: Adam's direction, with weight decay in it, in steps as long as the weights of its layer."""

    def __init__(self, params: Any, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-6) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(params, group)

    def _update(self, params: list[Tensor], group: dict[str, Any]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p] = {
                    "step": torch.zeros((), dtype=torch.float32),
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                }
        first, second = group["betas"]
        steps = [self.state[p]["step"] for p in params]
        for step in steps:
            step += 1
        t = float(steps[0])
        gradients = [p.grad for p in params if p.grad is not None]
        means = [self.state[p]["exp_avg"] for p in params]
        squares = [self.state[p]["exp_avg_sq"] for p in params]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        scale = torch._foreach_sqrt(squares)
        torch._foreach_div_(scale, (1 - second**t) ** 0.5)
        torch._foreach_add_(scale, group["eps"])
        direction = torch._foreach_div(means, scale)
        torch._foreach_div_(direction, 1 - first**t)
        torch._foreach_add_(direction, params, alpha=group["weight_decay"])
        for p, move, weight, length in zip(
            params, direction, torch._foreach_norm(params), torch._foreach_norm(direction), strict=True
        ):
            ratio = weight.clamp(max=LARGEST_NORM) / length
            trust = torch.where((weight > 0) & (length > 0), ratio, torch.ones_like(ratio))
            p.sub_(move * (trust * group["lr"]))
