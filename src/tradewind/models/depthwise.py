"""Causal depthwise convolution along the tokens: the one kernel of attention's convolutions and of programs.

Source: So et al. 2021 (Primer), arXiv 2109.08668, section 4 and the released T5 code: width 3, no bias, a kernel of its
own for every channel of every head, which starts as 0.5 for the token itself and 0.5 / 3 for each of those before it.

Letters: B batch, T tokens, C channels, K taps (the last is the token itself).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import UsageError
from tradewind.core.blocks import KERNEL
from tradewind.models.cache import LayerCache


def causal_depthwise(rows: Tensor, kernels: Tensor, before: Tensor | None = None) -> Tensor:
    """out[t] = Σ_j kernel[K - 1 - j] · rows[t - j], channel by channel: (B, T, C), (C, K) -> (B, T, C).

    `before` holds the K - 1 rows before the first, (B, K - 1, C); zeros if not given. As a channels-last
    two-dimensional convolution, padded before it: forward and backward at width and length 512 on a processor took 0.4
    of the time of conv1d, of shifting and adding, and of the same padded by the convolution.

    >>> x = torch.tensor([1.0, 10.0, 100.0]).reshape(1, 3, 1)
    >>> causal_depthwise(x, torch.tensor([[3.0, 2.0, 1.0]])).flatten().tolist()
    [1.0, 12.0, 123.0]
    """
    taps = kernels.shape[-1]
    padded = F.pad(rows, (0, 0, taps - 1, 0)) if before is None else torch.cat([before, rows], 1)
    image = padded.mT.unsqueeze(2)  # B C 1 K-1+T
    return F.conv2d(image, kernels[:, None, None], groups=len(kernels)).squeeze(2).mT


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
