"""Closed forms taken apart into layers, so that an exact search can build networks layer by layer.

Every closed form depends on the layers only through sums and maxima of per-layer numbers and never falls when one of
them grows (or, where layers have unlike blocks, is affine in the sums), which is all that `core.layerwise` asks. Which
totals a formula reads is found by letting it run once.
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
from tradewind.costs.quality import PARTS as QUALITY_PARTS
from tradewind.costs.quality import of_parts as quality_of
from tradewind.costs.quantities import evaluate, quantities
from tradewind.costs.statistics import has_names


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

    Where layers have unlike blocks it may read many sums, and networks that are unlike in any of them could not be
    compared. Then the sums that it is affine in become one, each layer's share of the value, which is all that matters:
    of the function itself, or of each of `parts`, functions like it from whose values `join` makes that of the whole
    (``join(archs, *values)``). `merged` asks for that anywhere.
    """

    function: Callable[[ArchitectureBatch], Any]
    parts: tuple[Callable[[ArchitectureBatch], Any], ...] = ()
    join: Callable[..., Any] | None = None
    together: bool = False

    def merged(self) -> OfTotals:
        """The same with one term for all sums: fewer terms to compare, unless other objectives read the same sums."""
        return dataclasses.replace(self, together=True)

    def terms(self, options: ArchitectureBatch) -> tuple[LayerTerm, ...]:
        """The sums and maxima of per-layer numbers that the function reads; `options` are K one-layer architectures."""
        if self.together or _named(options):
            return self._merged_terms(options)
        asked = _asked(self.function, options)
        return tuple(
            LayerTerm(key, "sum" if key.startswith("sum ") else "max", _column(options, key)) for key in sorted(asked)
        )

    def value(self, options: ArchitectureBatch, n_layer: int, totals: Mapping[str, np.ndarray]) -> np.ndarray:
        """The quantity of S networks of `n_layer` layers from their totals (each (S,)), shape (S,)."""
        count = len(next(iter(totals.values()))) if totals else 1
        if self.together or _named(options):
            values = self._merged_value(options, n_layer, totals, count)
        else:
            whole = {key: np.rint(np.asarray(value)).astype(np.int64) for key, value in totals.items()}
            values = self.function(_totals(options, n_layer, whole, count))
        return np.broadcast_to(np.asarray(values, dtype=np.float64), (count,))

    def _merged_terms(self, options: ArchitectureBatch) -> tuple[LayerTerm, ...]:
        found: dict[str, LayerTerm] = {}
        for part in self.parts or (self.function,):
            shares, key = _shares(part, options)
            if shares:
                values = np.asarray(sum(share * _column(options, name) for name, share in shares.items()))
                found[key] = LayerTerm(key, "sum", values)
            for name in _asked(part, options):
                if name.startswith("max "):
                    found[name] = LayerTerm(name, "max", _column(options, name))
        return tuple(found[key] for key in sorted(found))

    def _merged_value(
        self, options: ArchitectureBatch, n_layer: int, totals: Mapping[str, np.ndarray], count: int
    ) -> Any:
        values = []
        for part in self.parts or (self.function,):
            shares, key = _shares(part, options)
            none = {name: np.zeros(count, np.int64) for name in shares}
            largest = {
                name: np.rint(totals[name]).astype(np.int64)
                for name in _asked(part, options)
                if name.startswith("max ")
            }
            rest = part(_totals(options, n_layer, {**none, **largest}, count))
            values.append(np.asarray(rest, dtype=np.float64) + (totals[key] if shares else 0.0))
        return values[0] if self.join is None else self.join(_totals(options, n_layer, {}, count), *values)


def closed_form(quantity: str, workload: Workload | None = None) -> OfTotals:
    """A closed-form quantity as a layerwise objective; raises `UsageError` for one without a closed form.

    >>> from tradewind.core import GPT2
    >>> options = ArchitectureBatch.of([GPT2(d_model=64, n_head=(2,), d_inner=(f,)) for f in (128, 192)])
    >>> [(t.key, t.values.tolist()) for t in closed_form("decoder_params").terms(options)]
    [('sum d_inner', [128.0, 192.0])]
    """
    if quantity not in quantities():
        raise unknown("closed-form quantity", quantity, quantities())
    function = functools.partial(evaluate, quantity, workload=workload or Workload())
    return OfTotals(function, QUALITY_PARTS, quality_of) if quantity == "quality" else OfTotals(function)


def _named(options: ArchitectureBatch) -> bool:
    """Whether some option is of another kind than the usual one."""
    return any(has_names(options, name) for name in family(options.family).named_fields())


def _asked(function: Callable[[ArchitectureBatch], Any], options: ArchitectureBatch) -> _Recorder:
    """The totals that a function reads."""
    asked = _Recorder()
    function(_totals(options, 1, asked, 1))
    return asked


def _shares(function: Callable[[ArchitectureBatch], Any], options: ArchitectureBatch) -> tuple[dict[str, float], str]:
    """What a unit of each sum adds to a function that is affine in them, and the name of the sum of all that."""
    asked = _asked(function, options)
    start = {key: np.zeros(1, np.int64) if key.startswith("sum ") else value for key, value in asked.items()}

    def at(totals: Mapping[str, np.ndarray]) -> float:
        return float(np.asarray(function(_totals(options, 1, totals, 1))).reshape(-1)[0])

    base = at(start)
    shares = {key: at({**start, key: np.ones(1, np.int64)}) - base for key in sorted(asked) if key.startswith("sum ")}
    return shares, "sum " + " + ".join(f"{share!r} {key[4:]}" for key, share in shares.items())


def _column(options: ArchitectureBatch, key: str) -> np.ndarray:
    """What each option adds to the total of that key, (K,)."""
    column = options.layer_column(key[4:])
    return column[:, 0].astype(float) if column.shape[1] else np.zeros(len(options))


def _totals(options: ArchitectureBatch, n_layer: int, totals: Mapping[str, np.ndarray], count: int) -> Totals:
    """S networks that share the outer genes of `options`, known by their totals only."""
    kind = family(options.family)
    layered, named = kind.per_layer_fields(), kind.named_fields()
    columns = {
        name: np.repeat(column[:1], count, axis=0)
        for name, column in options.columns.items()
        if name in named or name not in layered
    }
    return Totals(options.family, np.full(count, n_layer, dtype=np.int64), columns, totals)
