"""Rotary position embedding on the first dimensions of each head.

Source: Su et al. 2021, arXiv 2104.09864, in the half-split pairing of GPT-NeoX and litgpt: dimension j is rotated
together with dimension j + R/2, by the angle position · base**(-2j/R).

Letters: T positions, S head size, R <= S rotated dimensions (even).
"""

from __future__ import annotations

import torch
from torch import Tensor

from tradewind.models.base import precise

BASE = 10_000.0


def rotary_table(start: int, stop: int, n_dim: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of positions start..stop-1, (T, R) each, computed in float32 or better."""
    exponent = torch.arange(0, n_dim, 2, device=like.device, dtype=precise(like.dtype)) / n_dim
    position = torch.arange(start, stop, device=like.device, dtype=precise(like.dtype))
    angle = torch.outer(position, BASE**-exponent).repeat(1, 2)  # T R
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """(..., T, S) -> (..., T, S): the first R dimensions rotated by their position, the rest as they are."""
    cos, sin = table
    turned, rest = x[..., : cos.shape[-1]], x[..., cos.shape[-1] :]
    first, second = turned.chunk(2, -1)
    turned = turned * cos + torch.cat([-second, first], -1) * sin
    return torch.cat([turned, rest], -1)
