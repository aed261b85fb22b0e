"""The preallocated cache of keys and values with which a model decodes one token at a time.

Letters: B batch, H heads, T new tokens, C = length (capacity in tokens), S head size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tradewind.core import UsageError


class LayerCache:
    """Keys and values of one layer, (B, H, C, S) each, of which the first `filled` positions are in use."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys = keys
        self.values = values
        self.filled = 0

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store those of T new tokens, (B, H, T, S); returns views of all so far, (B, H, filled, S)."""
        start, self.filled = self.filled, self.filled + keys.shape[2]
        self.keys[:, :, start : self.filled] = keys
        self.values[:, :, start : self.filled] = values
        return self.keys[:, :, : self.filled], self.values[:, :, : self.filled]


class Cache:
    """Keys and values of B sequences of at most `length` tokens, one `LayerCache` a layer.

    `heads` holds (H, S) of each layer. Memory is reserved at once and touched when used.

    >>> cache = Cache([(2, 32), (4, 16)], batch=1, length=8)
    >>> cache.fill(5)
    >>> cache.filled, [tuple(layer.keys.shape) for layer in cache.layers]
    (5, [(1, 2, 8, 32), (1, 4, 8, 16)])
    """

    def __init__(
        self,
        heads: Sequence[tuple[int, int]],
        batch: int,
        length: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if batch < 1 or length < 1:
            raise UsageError(f"a cache of batch {batch} and length {length} holds nothing; both must be at least 1")
        self.batch = batch
        self.length = length
        self.layers = [
            LayerCache(*(torch.empty(batch, h, length, s, device=device, dtype=dtype) for _ in ("keys", "values")))
            for h, s in heads
        ]

    @property
    def filled(self) -> int:
        """Number of tokens held."""
        return self.layers[0].filled

    def check_room(self, tokens: Tensor) -> None:
        """Raise `UsageError` if the tokens (B, T) do not fit."""
        batch, new = tokens.shape
        if batch != self.batch:
            raise UsageError(f"the tokens have batch {batch} but the cache was made for {self.batch}; make another one")
        if self.filled + new > self.length:
            raise UsageError(
                f"the cache holds {self.filled} of {self.length} tokens, so {new} more do not fit; make a longer one"
            )

    def fill(self, context: int) -> None:
        """Claim to hold exactly `context` tokens, for timing one decode step at a given context.

        Tokens past `context` are forgotten (free, so a timed step can be repeated); missing ones get arbitrary
        ordinary values. They are written, because pages never written to all map to one page of zeros, and reading
        that is faster than reading a real cache.
        """
        if not 0 <= context <= self.length:
            raise UsageError(f"context {context} is not between 0 and the cache's length {self.length}")
        for layer in self.layers:
            if layer.filled < context:
                ramp = torch.linspace(-1, 1, layer.keys.shape[3], device=layer.keys.device, dtype=layer.keys.dtype)
                layer.keys[:, :, layer.filled : context] = ramp
                layer.values[:, :, layer.filled : context] = ramp
            layer.filled = context
