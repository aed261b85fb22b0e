"""Squared ReLU, max(x, 0)²: the activation of Primer's feed-forward (So et al. 2021, arXiv 2109.08668, section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SquaredReLU(nn.Module):
    """max(x, 0)² entry by entry, any shape.

    >>> SquaredReLU()(torch.tensor([-2.0, 3.0])).tolist()
    [0.0, 9.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        """max(x, 0)²."""
        positive = F.relu(x)
        # In place where no gradient needs the values before: the inner values are a network's largest activations.
        return positive.square() if torch.is_grad_enabled() else positive.square_()
