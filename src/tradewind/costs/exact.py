"""Counts of batches past what 64-bit integers hold: noticed before they wrap around, then counted one by one.

Arrays hold int64, whose arithmetic wraps around silently; Python's integers, which count one architecture, are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch, UsageError
from tradewind.costs.statistics import Count

_LARGEST = 2**63 - 1
_HEAD_SIZE = 64


def may_overflow(batch: ArchitectureBatch, arguments: Sequence[object]) -> bool:
    """Whether a closed form might need more than 64 bits, by a bound that is generous for every one of them.

    `arguments` are those of the closed form; whole numbers among them are batch, length or context.

    >>> from tradewind.core import GPT2
    >>> batch = ArchitectureBatch.of([GPT2(d_model=64, n_head=(2,), d_inner=(128,))])
    >>> may_overflow(batch, [8, 1024]), may_overflow(batch, [2**30, 2**30])
    (False, True)
    """
    tokens = math.prod(a for a in arguments if isinstance(a, int) and not isinstance(a, bool))

    def most(name: str) -> int:
        column = batch.columns.get(name)
        return int(column.max()) if column is not None and column.size else 0

    heads, layers = most("n_head"), int(batch.n_layer.max())
    width = max(most("d_model") * max(most("mlp_ratio"), 1), most("d_inner"), most("d_embed"), heads * _HEAD_SIZE)
    # Every count is a sum of few such terms with small factors: weights, vocabulary and attention, for each token.
    terms = layers * width * width + most("vocab_size") * width + layers * width * tokens
    return 64 * tokens * terms > _LARGEST


def one_by_one(name: str, count: Callable[[Architecture], Count], batch: ArchitectureBatch) -> np.ndarray:
    """The counts of a batch in exact arithmetic, int64 (N,); raises `UsageError` for one that does not fit."""
    found = [int(count(arch)) for arch in batch]
    for row, value in enumerate(found):
        if value > _LARGEST:
            raise UsageError(
                f"{name} of row {row} is {value:.3g}, more than a table of 64-bit integers holds; leave that "
                "architecture (or so large a batch and length) out, or count it alone, which is exact"
            )
    return np.array(found, dtype=np.int64)
