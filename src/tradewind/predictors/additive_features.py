"""Architectures of any layered space as sums over layers: what an additive model of few measurements can learn.

A member of a space is a row (one combination of its outer genes), a depth and a choice for each layer
(`tradewind.spaces.tables`). A layer's choice becomes a few centred contrasts; they are summed over the layers, and
summed once more with weights that depend on the layer's place.

Symbols: N architectures, R rows, D depths, W outer dimensions, L layers, K choices of a layer, Q contrasts, B place
functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tradewind.core import UsageError

LEVELS = 4
"""Choices up to which each number has a contrast of its own; three polynomials stand for more."""

CURVED = 0.5
"""What a polynomial counts beside that of one degree less: that more of a thing does more is the first guess."""

WAVES = 6
"""Cosines over the relative place: slow changes of a layer's weight from the first to the last."""

ENDS = (0.7, 2.0, 5.0)
"""Decay lengths, in layers, of what is special about the last layers; the first two serve for the first layers."""


@dataclasses.dataclass(frozen=True, eq=False)
class LayerFeatures:
    """How a space's members are written as sums.

    `outer` (R, W) are the rows' outer genes, 0 to 1; `contrasts` (K, Q) those of a layer's choices, centred; `field`
    (Q,) says which per-layer dimension a contrast belongs to.
    """

    tables: Any
    outer: np.ndarray
    contrasts: np.ndarray
    field: np.ndarray

    @classmethod
    def of_space(cls, space: Any) -> LayerFeatures:
        """The features of a space; raises `UsageError` for one that is not made of layers."""
        tables = getattr(space, "tables", None)
        if tables is None:
            raise UsageError(
                f"{getattr(space, 'name', space)} is not made of layers, so no additive model can be fitted to it; "
                "search it with another algorithm, e.g. local-search"
            )
        columns = [unit_line(d.choices)[tables.digits[:, i]] for i, d in enumerate(tables.whole)]
        outer = np.column_stack(columns) if columns else np.zeros((len(tables.digits), 0))
        found, field = [], []
        for g, dimension in enumerate(tables.layered):
            each = _contrasts(dimension.choices)[tables.code_digits[:, g]]
            found.append(each - each.mean(axis=0))
            field += [g] * each.shape[1]
        return cls(tables, outer, np.hstack(found), np.array(field, dtype=int))

    @cached_property
    def depths(self) -> np.ndarray:
        """The space's depths, (D,), -0.5 to 0.5."""
        return unit_line(self.tables.depths) - 0.5

    def depth(self, n_layer: int) -> int:
        """The index of a depth."""
        return int(self.tables.depths.index(n_layer))

    def places(self, n_layer: int) -> np.ndarray:
        """What the place of each layer means, (L, B)."""
        if n_layer not in self._places:
            self._places[n_layer] = self._place_functions(n_layer)
        return self._places[n_layer]

    @cached_property
    def _places(self) -> dict[int, np.ndarray]:
        return {}

    @staticmethod
    def _place_functions(n_layer: int) -> np.ndarray:
        layer = np.arange(n_layer)
        relative = (layer + 0.5) / n_layer
        waves = [np.cos(np.pi * k * relative) / k for k in range(1, WAVES + 1)]
        last = [np.exp(-(n_layer - 1 - layer) / length) for length in ENDS]
        first = [np.exp(-layer / length) for length in ENDS[:2]]
        return np.stack([*waves, *last, *first], axis=1)

    def write(self, members: Sequence[tuple[int, np.ndarray]]) -> Written:
        """Members, each a row and its layers' codes, as sums."""
        return Written(
            row=np.array([row for row, _ in members], dtype=int),
            depth=np.array([self.depth(len(codes)) for _, codes in members], dtype=int),
            sums=np.array([self.contrasts[codes].sum(axis=0) for _, codes in members]),
            placed=np.array([self.places(len(codes)).T @ self.contrasts[codes] for _, codes in members]),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Written:
    """N members: indices of `row` and `depth`, each (N,); contrasts summed (N, Q), and `placed` by place (N, B, Q)."""

    row: np.ndarray
    depth: np.ndarray
    sums: np.ndarray
    placed: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


def unit_line(choices: Sequence[Any]) -> np.ndarray:
    """Choices on a line from 0 to 1: numbers by size, text in its order."""
    numbers = not isinstance(choices[0], str)
    line = np.array([float(c) for c in choices]) if numbers else np.arange(len(choices), dtype=float)
    return np.asarray((line - line.min()) / max(float(np.ptp(line)), 1e-12))


def _contrasts(choices: Sequence[Any]) -> np.ndarray:
    """Regressors of each choice of a dimension, (choices, contrasts)."""
    if isinstance(choices[0], str):
        return np.eye(len(choices))[:, 1:]
    degree = min(len(choices), LEVELS) - 1
    polynomials = np.polynomial.legendre.legvander(2 * unit_line(choices) - 1, degree)[:, 1:]
    return np.asarray(polynomials * CURVED ** np.arange(degree))
