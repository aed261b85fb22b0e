"""Layerwise objectives: quantities that depend on the layers only through sums and maxima of per-layer terms.

Parameters, operations and, to a good approximation, latency, memory and energy are of this kind once the outer genes
(width, depth and what else holds for the whole network) are fixed. That structure is what makes an exact frontier
possible: partial networks can be compared before they are complete (Bellman's principle of optimality).

Symbols: K options of one layer, P positions, S partial networks.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from tradewind.core.batch import ArchitectureBatch


@dataclasses.dataclass(frozen=True, eq=False)
class LayerTerm:
    """One per-layer term for fixed outer genes.

    `values` has shape (K,), or (P, K) where the position matters; `combine` says how the layers' values make the total.
    `rising` says that the objective never falls when the total grows, else that it never rises. Terms with equal
    `key` are the same term.

    >>> LayerTerm("sum d_inner", "sum", np.array([128, 256])).at(3).tolist()
    [128, 256]
    """

    key: str
    combine: Literal["sum", "max"]
    values: np.ndarray
    rising: bool = True

    def at(self, position: int) -> np.ndarray:
        """Values of the K options at a position."""
        return self.values if self.values.ndim == 1 else self.values[position]


@runtime_checkable
class Layerwise(Protocol):
    """One objective, taken apart into terms of the layers."""

    def terms(self, options: ArchitectureBatch) -> tuple[LayerTerm, ...]:
        """The terms for K one-layer architectures that share their outer genes: the options of a layer."""
        ...

    def value(self, options: ArchitectureBatch, n_layer: int, totals: Mapping[str, np.ndarray]) -> np.ndarray:
        """The objective, shape (S,), of S networks of `n_layer` layers from the totals (each (S,)) of its terms."""
        ...


def on_grid(values: np.ndarray, terms: int = 1, bits: int = 48) -> np.ndarray:
    """Values rounded to multiples of a power of two, so that sums of up to so many `terms` of them are exact.

    A sum is then the same in any order, and equal totals are equal. `bits` binary digits of the largest sum are kept.

    >>> a, b, c = on_grid(np.array([0.1, 0.2, 0.3]), terms=3)
    >>> bool(a + b + c == c + b + a), bool(abs(a - 0.1) < 1e-13)
    (True, True)
    """
    largest = terms * float(np.abs(values).max(initial=0.0))
    if not 0 < largest < math.inf:
        return values
    unit = 2.0 ** (math.ceil(math.log2(largest)) - bits)
    return np.asarray(np.rint(values / unit) * unit)
