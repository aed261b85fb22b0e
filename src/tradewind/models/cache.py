"""The preallocated cache of keys and values with which a model decodes one token at a time.

Letters: B batch, H heads, T new tokens, C = length (capacity in tokens), S head size, K taps of a convolution, W width
of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tradewind.core import UsageError


class LayerCache:
    """Keys and values of one layer, (B, H, C, S) each, of which the first `filled` positions are in use.

    A layer that convolves its projections along the tokens also keeps the latest K `rows` before the convolution,
    (B, K, W), the row of position p at p mod K: the K - 1 that the next token needs and one more, so that a token can
    be taken back. `written` positions have reached them.
    """

    def __init__(self, keys: Tensor, values: Tensor, rows: Tensor | None = None) -> None:
        self.keys = keys
        self.values = values
        self.rows = rows
        self.filled = 0
        self.written = 0

    def precede(self, rows: Tensor) -> Tensor:
        """The K - 1 rows before T new ones, (B, T, W) -> (B, K - 1, W), zeros before the first token of all.

        Keeps the new ones; their keys and values are to be appended next.
        """
        assert self.rows is not None
        taps, start, new = self.rows.shape[1], self.filled, rows.shape[1]
        known = range(max(start - taps + 1, 0), start)
        before = self.rows[:, [p % taps for p in known]]
        if len(known) < taps - 1:
            before = F.pad(before, (0, 0, taps - 1 - len(known), 0))
        self.written = start + new
        latest = range(max(self.written - taps, start), self.written)
        self.rows[:, [p % taps for p in latest]] = rows[:, new - len(latest) :]
        return before

    def claim(self, context: int) -> None:
        """Hold exactly `context` tokens; see `Cache.fill`."""
        if self.rows is not None:
            taps = self.rows.shape[1]
            if 0 < context < self.written and max(context - taps + 1, 0) < self.written - taps:
                raise UsageError(
                    f"a cache of a model with convolutions can take back one token; it has read {self.written}, so it "
                    f"cannot go back to {context}; make a new cache and read the tokens again"
                )
            if self.filled < context:
                self.rows[:] = _ramp(self.rows)
            self.written = max(self.written, context) if context else 0
        if self.filled < context:
            self.keys[:, :, self.filled : context] = _ramp(self.keys)
            self.values[:, :, self.filled : context] = _ramp(self.values)
        self.filled = context

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store those of T new tokens, (B, H, T, S); returns views of all so far, (B, H, filled, S)."""
        start, self.filled = self.filled, self.filled + keys.shape[2]
        self.keys[:, :, start : self.filled] = keys
        self.values[:, :, start : self.filled] = values
        return self.keys[:, :, : self.filled], self.values[:, :, : self.filled]


class Cache:
    """Keys and values of B sequences of at most `length` tokens, one `LayerCache` a layer.

    `heads` holds (H, S) of each layer, `rows` (K, W) of each, W 0 where nothing is convolved. Memory is reserved at
    once and touched when used.

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
        rows: Sequence[tuple[int, int]] = (),
    ) -> None:
        if batch < 1 or length < 1:
            raise UsageError(f"a cache of batch {batch} and length {length} holds nothing; both must be at least 1")
        self.batch = batch
        self.length = length

        def reserved(*shape: int) -> Tensor:
            return torch.empty(batch, *shape, device=device, dtype=dtype)

        self.layers = [
            LayerCache(reserved(h, length, s), reserved(h, length, s), reserved(taps, width) if width else None)
            for (h, s), (taps, width) in zip(heads, rows or [(0, 0)] * len(heads), strict=True)
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
        that is faster than reading a real cache. Raises `UsageError` where a model with convolutions would have to
        forget more than one token (but not all).
        """
        if not 0 <= context <= self.length:
            raise UsageError(f"context {context} is not between 0 and the cache's length {self.length}")
        for layer in self.layers:
            layer.claim(context)


def _ramp(like: Tensor) -> Tensor:
    """Ordinary values along the last dimension."""
    return torch.linspace(-1, 1, like.shape[-1], device=like.device, dtype=like.dtype)
