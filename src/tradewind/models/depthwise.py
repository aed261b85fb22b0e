"""Causal depthwise convolution along the tokens: the one kernel of attention's convolutions and of programs.

Source: So et al. 2021 (Primer), arXiv 2109.08668, section 4 and the released T5 code: width 3, no bias, a kernel of its
own for every channel of every head, which starts as 0.5 for the token itself and 0.5 / 3 for each of those before it.

Letters: B batch, T tokens, C channels, K taps (the last is the token itself).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import UsageError
from tradewind.core.blocks import KERNEL
from tradewind.models.cache import LayerCache

LARGE = 2**19
"""Values of the rows from which on copying them costs more than mending the borders of joined sequences."""


def causal_depthwise(rows: Tensor, kernels: Tensor, before: Tensor | None = None) -> Tensor:
    """out[t] = Σ_j kernel[K - 1 - j] · rows[t - j], channel by channel: (B, T, C), (C, K) -> (B, T, C).

    `before` holds the K - 1 rows before the first, (B, K - 1, C); zeros if not given. As a channels-last
    two-dimensional convolution: forward and backward at width and length 512 on a processor took 0.4 of the time of
    conv1d and of shifting and adding. There, from `LARGE` values on, it is one convolution over the joined sequences,
    without a padded copy of the rows or of their gradient, which saves another fifth; below, and where it is traced,
    the rows are padded.

    >>> x = torch.tensor([1.0, 10.0, 100.0]).reshape(1, 3, 1)
    >>> causal_depthwise(x, torch.tensor([[3.0, 2.0, 1.0]])).flatten().tolist()
    [1.0, 12.0, 123.0]
    """
    if before is None and _joinable(rows, kernels):
        out: Tensor = _Joined.apply(rows, kernels)  # type: ignore[no-untyped-call]
        return out
    if before is None:
        return _padded(rows, kernels)
    return _convolved(torch.cat([before, rows], 1), kernels)


def _padded(rows: Tensor, kernels: Tensor) -> Tensor:
    return _convolved(F.pad(rows, (0, 0, kernels.shape[-1] - 1, 0)), kernels)


def _convolved(rows: Tensor, kernels: Tensor, around: int = 0) -> Tensor:
    """(B, T, C) -> (B, T + 2·around - K + 1, C), with so many zeros before and after."""
    image = rows.mT.unsqueeze(2)  # B C 1 T
    return F.conv2d(image, kernels[:, None, None], padding=(0, around), groups=len(kernels)).squeeze(2).mT


def _joinable(rows: Tensor, kernels: Tensor) -> bool:
    exact = rows.dtype == kernels.dtype and rows.dtype in (torch.float32, torch.float64)
    plain = rows.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return exact and plain and not traced and rows.shape[1] >= kernels.shape[1] and rows.numel() >= LARGE


class _Joined(torch.autograd.Function):
    """The sequences of a batch convolved as one; what then crosses from one to the next is written anew."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, kernels: Tensor) -> Tensor:
        ctx.save_for_backward(rows, kernels)
        batch, tokens, channels = rows.shape
        taps = kernels.shape[1]
        whole = _convolved(rows.reshape(1, -1, channels), kernels, taps - 1)
        out = whole[0, : batch * tokens].unflatten(0, (batch, tokens))
        for t in range(taps - 1):
            torch.sum(rows[1:, : t + 1] * kernels[:, taps - 1 - t :].T, 1, out=out[1:, t])
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        rows, kernels = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again
            with_grad = [tensor for tensor, wanted in zip((rows, kernels), ctx.needs_input_grad, strict=True) if wanted]
            found = iter(torch.autograd.grad(_padded(rows, kernels), with_grad, gradient, create_graph=True))
            by_rows, by_kernels = (next(found) if wanted else None for wanted in ctx.needs_input_grad)
            return by_rows, by_kernels
        gradient = gradient.contiguous()
        by_rows = _by_rows(gradient, kernels) if ctx.needs_input_grad[0] else None
        by_kernels = _by_kernels(gradient, rows, kernels) if ctx.needs_input_grad[1] else None
        return by_rows, by_kernels


def _by_rows(gradient: Tensor, kernels: Tensor) -> Tensor:
    """The same convolution backwards in time: Σ_j kernel[K - 1 - j] · gradient[t + j]."""
    batch, tokens, channels = gradient.shape
    taps = kernels.shape[1]
    whole = _convolved(gradient.view(1, -1, channels), kernels.flip(1), taps - 1)
    out = whole[0, taps - 1 :].unflatten(0, (batch, tokens))
    for left in range(1, taps):
        torch.sum(gradient[:-1, -left:] * kernels[:, taps - left :].T.flip(0), 1, out=out[:-1, -left])
    return out


def _by_kernels(gradient: Tensor, rows: Tensor, kernels: Tensor) -> Tensor:
    """Σ_t gradient[t] · rows[t - j], in the place K - 1 - j."""
    batch, tokens, channels = gradient.shape
    taps = kernels.shape[1]
    later, flat = gradient.view(1, -1, channels)[:, taps - 1 :], rows.reshape(1, -1, channels)
    images, shape = (later.mT.unsqueeze(2), flat.mT.unsqueeze(2)), kernels[:, None, None]
    settings = ([1, 1], [0, 0], [1, 1], False, [0, 0], len(kernels), [False, True, False])
    out = torch.ops.aten.convolution_backward(*images, shape, None, *settings)[1][:, 0, 0]
    for back in range(taps):
        place = out[:, taps - 1 - back]
        place += (gradient[0, back : taps - 1] * rows[0, : taps - 1 - back]).sum(0)
        if back and batch > 1:
            place -= (gradient[1:, :back] * rows[:-1, tokens - back :]).sum((0, 1))
    return out


def packed_depthwise(rows: Tensor, kernels: Tensor, documents: Tensor) -> Tensor:
    """The same where nothing passes from one document to the next: (B, T, C), (C, K), (B, T) -> (B, T, C).

    `documents` as `runs` numbers them. Shifted and added, which masks each tap by itself.
    """
    out = rows * kernels[:, -1]
    for back in range(1, min(kernels.shape[-1], rows.shape[1])):
        inside = (documents[:, back:] == documents[:, :-back]).unsqueeze(-1)  # B T-back 1
        shifted = torch.where(inside, rows[:, :-back], 0) * kernels[:, -1 - back]
        out = out + F.pad(shifted, (0, 0, back, 0))
    return out


def runs(documents: Tensor) -> Tensor:
    """Numbers 0, 1, ... of the runs of equal entries in each row, (B, T) -> (B, T): an id used again is another one.

    >>> runs(torch.tensor([[7, 7, 3, 7]])).tolist()
    [[0, 0, 1, 2]]
    """
    changes = documents[:, 1:] != documents[:, :-1]
    return F.pad(changes.cumsum(1), (1, 0))


class HeadConvolution(nn.Module):
    """A `causal_depthwise` with a learned kernel for each channel of each head, (B, T, C) -> (B, T, C).

    With `identity` it starts by changing nothing, else as Primer's does.
    """

    def __init__(self, channels: int, taps: int = KERNEL, identity: bool = False) -> None:
        super().__init__()
        self.identity = identity
        self.weight = nn.Parameter(torch.empty(channels, taps))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """The kernels' start; no random numbers."""
        self.weight.fill_(0.0 if self.identity else 0.5 / self.weight.shape[-1])
        self.weight[:, -1] = 1.0 if self.identity else 0.5

    def forward(self, rows: Tensor, past: LayerCache | None = None, documents: Tensor | None = None) -> Tensor:
        """Convolve after the rows in `past`, which they join, or each of the packed `documents` (B, T) by itself."""
        if past is not None:
            if documents is not None:
                raise UsageError("packed documents cannot be read into a cache; give one or the other")
            return causal_depthwise(rows, self.weight, past.precede(rows))
        if documents is not None:
            return packed_depthwise(rows, self.weight, runs(documents))
        return causal_depthwise(rows, self.weight)
