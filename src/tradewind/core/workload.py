"""Workload: what a model is asked to do when its cost is counted or measured."""

from __future__ import annotations

import dataclasses
from typing import Any

from tradewind.core.errors import UsageError, unknown

DTYPE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
MOST = 2**31 - 1
"""Largest batch, length and context."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workload:
    """One forward over `batch` x `seq_len` tokens (prefill), and one decoded token with `context` tokens in the cache.

    `logits` says for which positions the output layer runs: ``all`` (scoring and training; what LiteTransformerSearch
    timed) or ``last`` (what a serving engine does in prefill). The defaults are those of LiteTransformerSearch
    (Javaheripi et al. 2022, arXiv 2203.02094): batch 1, 192 tokens, float32.

    >>> Workload(seq_len=64).context
    64
    """

    batch: int = 1
    seq_len: int = 192
    context: int = 0
    dtype: str = "float32"
    logits: str = "all"

    def __post_init__(self) -> None:
        if not self.context:
            object.__setattr__(self, "context", self.seq_len)
        for name in ("batch", "seq_len", "context"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= MOST:
                least = "0 (as long as seq_len)" if name == "context" else "1"
                raise UsageError(f"{name} is {value!r}; it must be a whole number from {least} to {MOST:,}")
        if self.dtype not in DTYPE_BYTES:
            raise unknown("dtype", self.dtype, DTYPE_BYTES)
        if self.logits not in ("all", "last"):
            raise unknown("choice of logits", self.logits, ("all", "last"))

    @property
    def bytes_per_element(self) -> int:
        """Bytes of one number of `dtype`."""
        return DTYPE_BYTES[self.dtype]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; ``Workload(**data)`` is the inverse."""
        return dataclasses.asdict(self)
