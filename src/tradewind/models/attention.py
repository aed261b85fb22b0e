"""Causal attention through the fused kernel of torch, with or without earlier positions.

Letters: B batch, H heads, T new tokens, C positions attended to (C >= T, the new ones last), D width, S head size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tradewind.core import UsageError
from tradewind.models.cache import LayerCache
from tradewind.models.depthwise import runs


def causal_attention(query: Tensor, keys: Tensor, values: Tensor, documents: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √S) v where position i of the new ones sees everything up to itself.

    (B, H, T, S), (B, H, C, S), (B, H, C, S) -> (B, H, T, S). With `documents` (B, T), C = T and it sees what stands in
    its own run of equal entries.
    """
    new, seen = query.shape[2], keys.shape[2]
    if documents is not None:
        number = runs(documents)
        inside = (number[:, None, :, None] == number[:, None, None, :]).tril()  # B 1 T T
        return F.scaled_dot_product_attention(query, keys, values, attn_mask=inside)
    if new == seen:
        return F.scaled_dot_product_attention(query, keys, values, is_causal=True)
    if new == 1:
        return F.scaled_dot_product_attention(query, keys, values)
    visible = torch.ones(new, seen, dtype=torch.bool, device=query.device).tril(seen - new)
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=visible)


class Attention(nn.Module):
    """Multi-head causal self-attention, (B, T, D) -> (B, T, D); rows of `qkv` are q, k, v of all heads in turn."""

    def __init__(self, d_model: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def projections(
        self, x: Tensor, past: LayerCache | None, documents: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the tokens, three of (B, H, T, S)."""
        return self._heads(self.qkv(x))

    def forward(self, x: Tensor, past: LayerCache | None = None, documents: Tensor | None = None) -> Tensor:
        """Attend to the tokens themselves and, if given, to those in `past`, which they join.

        With `documents` (B, T) each run of equal entries is a text of its own, and nothing passes between them.
        """
        if past is not None and documents is not None:
            raise UsageError("packed documents cannot be read into a cache; give one or the other")
        query, keys, values = self.projections(x, past, documents)
        if past is not None:
            keys, values = past.append(keys, values)
        return self.out(causal_attention(query, keys, values, documents).transpose(1, 2).flatten(2))

    def _heads(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3·D) -> three of (B, H, T, S)."""
        # Cut before they are turned: the three gradients are then joined by one copy, not stacked and turned back.
        query, keys, values = (part.unflatten(-1, (self.n_head, -1)).transpose(1, 2) for part in rows.chunk(3, -1))
        return query, keys, values
