"""One entry for every quantity that a closed form gives, in the units of `core.QUANTITIES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from tradewind.core import Architecture, Workload, unknown
from tradewind.costs import formulas
from tradewind.costs.quality import quality

_FORMULAS: dict[str, Callable[[Any, Workload], Any]] = {
    "decoder_params": lambda archs, load: formulas.decoder_params(archs),
    "params": lambda archs, load: formulas.params(archs),
    "embedding_params": lambda archs, load: formulas.embedding_params(archs),
    "quality": lambda archs, load: quality(archs),
    "flops": lambda archs, load: formulas.flops(archs, load.batch, load.seq_len, load.logits),
    "macs": lambda archs, load: formulas.macs(archs, load.batch, load.seq_len, load.logits),
    "decode_flops": lambda archs, load: formulas.decode_flops(archs, load.context, load.batch),
    "kv_cache_mb": lambda archs, load: formulas.kv_cache_bytes(archs, load.context, load.batch, load.dtype) / 1e6,
    "activation_mb": lambda archs, load: (
        formulas.activation_bytes(archs, load.batch, load.seq_len, load.dtype, load.logits) / 1e6
    ),
}

_DEFAULT = Workload()


def quantities() -> tuple[str, ...]:
    """The quantities that `evaluate` knows, parameters first.

    >>> quantities()[:3]
    ('decoder_params', 'params', 'embedding_params')
    """
    return tuple(_FORMULAS)


@overload
def evaluate(quantity: str, archs: Architecture, workload: Workload = ...) -> float: ...
@overload
def evaluate(quantity: str, archs: Sequence[Architecture], workload: Workload = ...) -> np.ndarray: ...
def evaluate(
    quantity: str, archs: Architecture | Sequence[Architecture], workload: Workload = _DEFAULT
) -> float | np.ndarray:
    """A closed-form quantity of `core.QUANTITIES` in its unit.

    A Python number for one architecture (an integer where the quantity is a count), an array of shape (N,), int64 or
    float64, for several. Raises `UsageError` for a quantity that has no closed form.

    >>> from tradewind.core import GPT2
    >>> evaluate("kv_cache_mb", GPT2(d_model=64, n_head=(2, 2), d_inner=(128, 128)), Workload(context=100))
    0.1024
    """
    if quantity not in _FORMULAS:
        raise unknown("closed-form quantity", quantity, _FORMULAS)
    return _FORMULAS[quantity](archs, workload)
