"""The loss of a linear output layer without ever holding all logits: a few hundred positions at a time.

Logits, log-probabilities and their gradient are the largest tensors of a small model's training step, N x V each, and
fresh memory of that size costs more than the arithmetic on it. Here a block of positions is scored, turned into its
gradient and multiplied back while it is in the cache, and the gradients are ready when the loss is (as in Wijmans et
al. 2025, "Cut Your Losses in Large-Vocabulary Language Models", arXiv 2411.09009, which does so on GPUs).

Letters: N positions, D width, V vocabulary, R rows of a block.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_ELEMENTS = 2**22
"""Logits in a block: 16 MB in float32. Smaller blocks fit a cache closer by, and multiply matrices less well."""


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean nats of softmax(hidden weightᵀ) at the targets, a scalar; (N, D), (V, D), (N,) int64.

    Blockwise on the CPU in float32 and float64. Elsewhere, and under autocast, it is torch's own cross-entropy of all
    logits, in float32 or better; that one can also be differentiated twice.

    >>> hidden, weight = torch.ones(2, 3), torch.zeros(5, 3)
    >>> round(float(linear_cross_entropy(hidden, weight, torch.tensor([0, 4])).exp()), 4)
    5.0
    """
    if _blockwise(hidden, weight):
        loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets)  # type: ignore[no-untyped-call]
        return loss
    logits = F.linear(hidden, weight)
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), targets)


def _blockwise(hidden: Tensor, weight: Tensor) -> bool:
    exact = hidden.dtype == weight.dtype and hidden.dtype in (torch.float32, torch.float64)
    plain = hidden.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return exact and plain and not torch.compiler.is_compiling()


class _LinearCrossEntropy(torch.autograd.Function):
    """Gradients are computed with the loss and only scaled in the backward pass."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        count, vocabulary = hidden.shape[0], weight.shape[0]
        rows = max(1, min(count, BLOCK_ELEMENTS // vocabulary))
        wanted = any(ctx.needs_input_grad)
        scores = hidden.new_empty(rows, vocabulary)
        by_hidden = torch.empty_like(hidden) if wanted else None
        by_weight = torch.empty(weight.shape, dtype=weight.dtype) if wanted else None
        total, share = hidden.new_zeros(()), 1 / max(1, count)
        for first in range(0, max(1, count), rows):
            block = hidden[first : first + rows]
            target = targets[first : first + rows].unsqueeze(1)
            shares = scores[: len(block)]
            torch.mm(block, weight.t(), out=shares)
            torch.softmax(shares, 1, out=shares)
            chosen = shares.gather(1, target)
            total -= _logarithms(chosen, block, weight, target).sum()
            if by_hidden is None or by_weight is None:
                continue
            shares.scatter_(1, target, chosen - 1)
            by_hidden[first : first + rows].addmm_(shares, weight, beta=0, alpha=share)
            by_weight.addmm_(shares.t(), block, beta=int(first > 0), alpha=share)
        if by_hidden is not None and by_weight is not None:
            ctx.save_for_backward(by_hidden, by_weight)
        return total / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        by_hidden, by_weight = ctx.saved_tensors
        if gradient.item() != 1:
            by_hidden, by_weight = by_hidden * gradient, by_weight * gradient
        return by_hidden, by_weight, None


def _logarithms(shares: Tensor, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Logarithms of the targets' shares, (R, 1); from the scores again where a share is too small to tell."""
    found = shares.log()
    lost = shares.squeeze(1) < torch.finfo(shares.dtype).tiny / torch.finfo(shares.dtype).eps
    if lost.any():
        found[lost] = F.log_softmax(F.linear(hidden[lost], weight), 1).gather(1, targets[lost])
    return found
