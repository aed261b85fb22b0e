"""Closed forms taken apart into layers, so that an exact search can build networks layer by layer.

Every closed form depends on the layers only through sums and maxima of per-layer fields and never falls when one of
them grows, which is all that `core.layerwise` asks. Which totals a formula reads is found by letting it run once.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tradewind.core import ArchitectureBatch, Workload, unknown
from tradewind.core.architecture import family
from tradewind.core.layerwise import LayerTerm
from tradewind.costs.quantities import evaluate, quantities


@dataclasses.dataclass(frozen=True, eq=False)
class Totals(ArchitectureBatch):
    """A batch that knows its layers only by their totals, keyed ``sum d_inner`` or ``max d_inner``."""

    totals: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def layer_sum(self, name: str) -> np.ndarray:
        """The given sum of a per-layer field, shape (N,)."""
        return self.totals[f"sum {name}"]

    def layer_max(self, name: str) -> np.ndarray:
        """The given maximum of a per-layer field, shape (N,)."""
        return self.totals[f"max {name}"]


class _Recorder(dict[str, np.ndarray]):
    """Answers every total with one and remembers what was asked."""

    def __missing__(self, key: str) -> np.ndarray:
        self[key] = np.ones(1, dtype=np.int64)
        return self[key]


@dataclasses.dataclass(frozen=True)
class OfTotals:
    """A function of shapes, built from `costs.statistics`, as a `core.layerwise.Layerwise` objective.

    `function` takes an ArchitectureBatch of N and returns (N,); it must never fall when a total grows.
    """

    function: Callable[[ArchitectureBatch], Any]

    def terms(self, options: ArchitectureBatch) -> tuple[LayerTerm, ...]:
        """The sums and maxima of per-layer fields that the function reads; `options` are K one-layer architectures."""
        asked = _Recorder()
        self.function(_totals(options, 1, asked))
        return tuple(
            LayerTerm(key, "sum" if key.startswith("sum ") else "max", options.columns[key[4:]][:, 0].astype(float))
            for key in sorted(asked)
        )

    def value(self, options: ArchitectureBatch, n_layer: int, totals: Mapping[str, np.ndarray]) -> np.ndarray:
        """The quantity of S networks of `n_layer` layers from their totals (each (S,)), shape (S,)."""
        whole = {key: np.rint(np.asarray(value)).astype(np.int64) for key, value in totals.items()}
        values = np.asarray(self.function(_totals(options, n_layer, whole)), dtype=np.float64)
        return np.broadcast_to(values, (len(next(iter(whole.values()), values)),))


def closed_form(quantity: str, workload: Workload | None = None) -> OfTotals:
    """A closed-form quantity as a layerwise objective; raises `UsageError` for one without a closed form.

    >>> from tradewind.core import GPT2
    >>> options = ArchitectureBatch.of([GPT2(d_model=64, n_head=(2,), d_inner=(f,)) for f in (128, 192)])
    >>> [(t.key, t.values.tolist()) for t in closed_form("decoder_params").terms(options)]
    [('sum d_inner', [128.0, 192.0])]
    """
    if quantity not in quantities():
        raise unknown("closed-form quantity", quantity, quantities())
    return OfTotals(functools.partial(evaluate, quantity, workload=workload or Workload()))


def _totals(options: ArchitectureBatch, n_layer: int, totals: Mapping[str, np.ndarray]) -> Totals:
    """S networks that share the outer genes of `options`, known by their totals only."""
    count = len(next(iter(totals.values()))) if totals else 1
    layered = family(options.family).per_layer_fields()
    columns = {
        name: np.repeat(column[:1], count, axis=0) for name, column in options.columns.items() if name not in layered
    }
    return Totals(options.family, np.full(count, n_layer, dtype=np.int64), columns, totals)
