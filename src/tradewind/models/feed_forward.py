"""The feed-forward parts of the blocks: two linear maps with an activation between, plain or gated.

Letters: B batch, T tokens, D width, F inner size.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FeedForward(nn.Module):
    """down(activation(up x)), (B, T, D) -> (B, T, F) -> (B, T, D).

    With `dropout`, 0 too, the inner values are a place where dropout acts; with None they are none.
    """

    def __init__(
        self, d_model: int, d_inner: int, activation: nn.Module, bias: bool = True, dropout: float | None = None
    ) -> None:
        super().__init__()
        self.up = nn.Linear(d_model, d_inner, bias=bias)
        self.activation = activation
        self.dropout = nn.Identity() if dropout is None else nn.Dropout(dropout)
        self.down = nn.Linear(d_inner, d_model, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position by itself."""
        return self.down(self.dropout(self.activation(self.up(x))))


class GatedFeedForward(nn.Module):
    """down(silu(gate x) * up x), (B, T, D) -> (B, T, F) -> (B, T, D)."""

    def __init__(self, d_model: int, d_inner: int, bias: bool = True) -> None:
        super().__init__()
        self.gate = nn.Linear(d_model, d_inner, bias=bias)
        self.up = nn.Linear(d_model, d_inner, bias=bias)
        self.down = nn.Linear(d_inner, d_model, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position by itself."""
        return self.down(F.silu(self.gate(x)) * self.up(x))
