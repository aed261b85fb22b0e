"""Causal attention through the fused kernel of torch, with or without earlier positions.

Letters: B batch, H heads, T new tokens, C positions attended to (C >= T, the new ones last), S head size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_attention(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(q kᵀ / √S) v where position i of the new ones sees everything up to itself.

    (B, H, T, S), (B, H, C, S), (B, H, C, S) -> (B, H, T, S).
    """
    new, seen = query.shape[2], keys.shape[2]
    if new == seen:
        return F.scaled_dot_product_attention(query, keys, values, is_causal=True)
    if new == 1:
        return F.scaled_dot_product_attention(query, keys, values)
    visible = torch.ones(new, seen, dtype=torch.bool, device=query.device).tril(seen - new)
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=visible)
