"""Cross-entropy of an output layer without the whole table of logits: a block of positions at a time.

Logits of all positions are often the largest tensor of a training step, read and written several times for the softmax
and its gradient. Here a block of them stays in the cache of the processor, where the loss and, from the softmax minus
the targets, the gradients of hidden states and weights are finished before the next block. The matrix products are
those of the plain computation. As in Wijmans et al. 2024, arXiv 2411.09009, without their approximations.

Letters: N positions, D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 2**21
"""Logits in a block."""


def output_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of ``hidden @ weight.T``, a scalar: (N, D), (V, D), (N,) int64; in float32 or better.

    >>> hidden, weight = torch.eye(4), torch.zeros(8, 4)
    >>> round(output_loss(hidden, weight, torch.arange(4)).exp().item(), 4)
    8.0
    """
    differentiated = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
    # Autocast and compilers rewrite the plain computation by themselves.
    if not differentiated or torch.is_autocast_enabled(hidden.device.type) or torch.compiler.is_compiling():
        return _plain(hidden, weight, targets)
    loss: Tensor = _OutputLoss.apply(hidden, weight, targets)
    return loss


def _plain(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    logits = F.linear(hidden, weight)
    return F.cross_entropy(_precise(logits), targets)


def _precise(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


class _OutputLoss(torch.autograd.Function):
    """Loss forward, with both gradients already in hand."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """The loss of all blocks."""
        hidden_gradient, weight_gradient = torch.empty_like(hidden), weight.new_zeros(weight.shape)
        total = hidden.new_zeros((), dtype=torch.promote_types(hidden.dtype, torch.float32))
        count = len(targets)
        size = max(64, BLOCK // len(weight))
        for first in range(0, count, size):
            rows = slice(first, first + size)
            scores = _precise(hidden[rows] @ weight.T)
            total += F.cross_entropy(scores, targets[rows], reduction="sum")
            scores = torch.softmax(scores, 1)
            scores.scatter_add_(1, targets[rows, None], scores.new_full((len(scores), 1), -1.0))
            scores = scores.div_(count).to(hidden.dtype)
            torch.mm(scores, weight, out=hidden_gradient[rows])
            weight_gradient.addmm_(scores.T, hidden[rows])
        ctx.save_for_backward(hidden, weight, targets, hidden_gradient, weight_gradient)
        return total / count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[override]
        """The gradients times that of the loss; where they are to be differentiated again, the plain ones."""
        hidden, weight, targets, hidden_gradient, weight_gradient = ctx.saved_tensors
        if torch.is_grad_enabled():
            loss = _plain(hidden, weight, targets)
            found = torch.autograd.grad(loss, (hidden, weight), create_graph=True, allow_unused=True)
            return found[0] * gradient, found[1] * gradient, None
        scale = gradient.to(hidden.dtype)
        return hidden_gradient * scale, weight_gradient * scale, None
