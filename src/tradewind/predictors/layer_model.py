"""LayerModel: a quantity as a sum over layers, with coefficients of its own for each width.

    η = constant[group, depth, flag] + Σ_i ( slopes[group, flag] + positions[group, depth, i] ) · x_i
    value = η + bend[group] · (η - centre[group])²            (its exponential where the link is "log")

x_i says with ones which contrasts layer i has: which choices other than the first of each per-layer field.

The value rises with η over everything the grid can hold, so with the outer genes fixed the model is exactly searchable
(`tradewind.core.layerwise`). Positions matter for quality (the last layers weigh most) and for polled energy.

Symbols: N architectures, G groups, D depths, L deepest depth, K choices, C contrasts, F features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from tradewind.core import ArchitectureBatch, FileFormatError, UsageError
from tradewind.core.layerwise import LayerTerm, on_grid
from tradewind.predictors.layer_grid import Codes, LayerGrid, balance

LINKS = ("identity", "log")


@dataclasses.dataclass(frozen=True, eq=False)
class LayerModel:
    """Coefficients: `constant` (G, D, 2), `slopes` (G, 2, C), `positions` (G, D, L, C) or None, `bend`, `centre` (G,).

    `slopes` are what a layer adds when it takes a contrast's choice instead of its field's first one.
    """

    grid: LayerGrid
    link: str
    constant: np.ndarray
    slopes: np.ndarray
    positions: np.ndarray | None
    bend: np.ndarray
    centre: np.ndarray

    @classmethod
    def of_coefficients(
        cls, grid: LayerGrid, link: str, coefficients: np.ndarray, positions: np.ndarray | None = None
    ) -> LayerModel:
        """The model whose η is `Codes.features` times `coefficients` (G, F) plus the positions; no bend."""
        n_depth, n_contrast = len(grid.depths), len(grid.contrasts)
        start, depths, flag, tilt = coefficients[:, 0], coefficients[:, 1:n_depth], *coefficients[:, n_depth:].T[:2]
        slope, flagged = np.split(coefficients[:, n_depth + 2 :], [n_contrast], axis=1)
        half = np.array([-0.5, 0.5])
        slopes = slope[:, None, :] + half[None, :, None] * flagged[:, None, :]
        level = np.arange(n_depth) - (n_depth - 1) / 2
        constant = start[:, None, None] + np.pad(depths, ((0, 0), (1, 0)))[:, :, None]
        constant = constant + half * (flag[:, None, None] + tilt[:, None, None] * level[None, :, None])
        balanced = np.array(grid.depths)[:, None] / balance(grid)
        constant = constant - np.einsum("gfc,dc->gdf", slopes, balanced)
        zero = np.zeros(len(grid.groups))
        return cls(grid, link, constant, slopes, positions, zero, zero)

    def linear(self, codes: Codes) -> np.ndarray:
        """η of N architectures, (N,)."""
        rows = codes.sorted
        eta = np.empty(len(codes))
        for group, depth, part in rows.cells:
            # einsum, unlike a matrix product, gives a row the same bits in whatever company it comes.
            eta[part] = np.einsum("nk,k->n", rows.by_flag[part], self._weights[group, depth])
            if self.positions is not None:
                eta[part] += np.einsum("nk,k->n", rows.one_hot[part], self.positions[group, depth].ravel())
        return rows.restored(eta)

    @cached_property
    def _weights(self) -> np.ndarray:
        """Constants and slopes in the order of `Sorted.by_flag`, (G, D, 2 + 2C)."""
        slopes = self.slopes.reshape(len(self.slopes), 1, -1)
        repeated = np.broadcast_to(slopes, (*self.constant.shape[:2], slopes.shape[2]))
        return np.concatenate([self.constant, repeated], axis=2)

    def value(self, codes: Codes) -> np.ndarray:
        """Predicted values of N architectures, (N,), in the quantity's unit."""
        return self.outcome(self.linear(codes), codes.group)

    def outcome(self, eta: np.ndarray, group: np.ndarray | int) -> np.ndarray:
        """The value for η, elementwise."""
        curved = eta + self.bend[group] * (eta - self.centre[group]) ** 2
        return np.exp(curved) if self.link == "log" else curved

    def bounds(self) -> tuple[float, float]:
        """Smallest and largest value over the whole grid, exact: every layer takes its cheapest or dearest choice."""
        low, high = self.reaches()
        groups = np.arange(len(low))
        return float(self.outcome(low, groups).min()), float(self.outcome(high, groups).max())

    def reaches(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest η in each group over all depths, flags and layers, each (G,)."""
        ends = np.array([[self._reach(outer, end) for end in (np.min, np.max)] for outer in self._outer()])
        by_group = ends.reshape(len(self.grid.groups), -1, 2)
        return by_group[:, :, 0].min(axis=1), by_group[:, :, 1].max(axis=1)

    def layerwise(self, name: str) -> LayerwiseModel:
        """The model taken apart into layers for an exact search, under the name of its objective."""
        return LayerwiseModel(self, name)

    def _outer(self) -> list[tuple[int, ...]]:
        return list(np.ndindex(*self.constant.shape))

    def _reach(self, outer: tuple[int, ...], end: Any) -> float:
        """The least or largest η of one combination of outer genes (`end` is np.min or np.max)."""
        group, depth, flag = outer
        total = self.constant[group, depth, flag]
        start = 0
        for _, choices in self.grid.layered:
            stop = start + len(choices) - 1
            layers = np.tile(self.slopes[group, flag, start:stop], (self.grid.depths[depth], 1))
            if self.positions is not None:
                layers = layers + self.positions[group, depth, : len(layers), start:stop]
            total = total + end(np.pad(layers, ((0, 0), (1, 0))), axis=1).sum()
            start = stop
        return float(total)

    def to_dict(self, digits: int = 7) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`; `digits` significant ones are kept, 3 fewer of positions."""
        positions = None
        if self.positions is not None:
            step = np.abs(self.slopes).mean() * 10.0 ** (3 - digits)
            places = int(np.ceil(-np.log10(step)))
            positions = [
                [np.round(self.positions[g, d, :depth], places).tolist() for d, depth in enumerate(self.grid.depths)]
                for g in range(len(self.grid.groups))
            ]
        return {
            "grid": self.grid.to_dict(),
            "link": self.link,
            "constant": significant(self.constant, digits),
            "slopes": significant(self.slopes, digits),
            "positions": positions,
            "bend": significant(self.bend, digits),
            "centre": significant(self.centre, digits),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> LayerModel:
        """The model of a dictionary written by `to_dict`; raises `FileFormatError`."""
        try:
            grid = LayerGrid.from_dict(data["grid"])
            shape = (len(grid.groups), len(grid.depths), max(grid.depths), len(grid.contrasts))
            positions = None
            if data["positions"] is not None:
                positions = np.zeros(shape)
                for g, group in enumerate(data["positions"]):
                    for d, layers in enumerate(group):
                        positions[g, d, : grid.depths[d]] = layers
            model = LayerModel(
                grid=grid,
                link=data["link"],
                constant=np.array(data["constant"], dtype=float).reshape(shape[0], shape[1], 2),
                slopes=np.array(data["slopes"], dtype=float).reshape(shape[0], 2, shape[3]),
                positions=positions,
                bend=np.array(data["bend"], dtype=float).reshape(shape[0]),
                centre=np.array(data["centre"], dtype=float).reshape(shape[0]),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FileFormatError(f"not a layer model: {error}") from error
        if model.link not in LINKS:
            raise FileFormatError(f"not a layer model: link is {model.link!r}; it must be one of {', '.join(LINKS)}")
        return model


@dataclasses.dataclass(frozen=True, eq=False)
class LayerwiseModel:
    """A layer model as a `core.layerwise.Layerwise` objective, for networks of `n_layer` layers or (None) of any depth.

    >>> grid = LayerGrid("d_model", (64,), "bias", (2,), (("n_head", (1, 2)),))
    >>> model = LayerModel.of_coefficients(grid, "identity", np.array([[5.0, 0.0, 0.0, 1.0, 0.0]]))
    >>> model.bounds()
    (4.0, 6.0)
    """

    model: LayerModel
    name: str
    n_layer: int | None = None

    def at_depth(self, n_layer: int) -> LayerwiseModel:
        """The same for networks of one depth only: fewer terms where positions differ with depth, a faster search."""
        return dataclasses.replace(self, n_layer=n_layer)

    def terms(self, options: ArchitectureBatch) -> tuple[LayerTerm, ...]:
        """One term, or, where positions differ with depth and no depth was named, one a depth."""
        model, grid = self.model, self.model.grid
        group, flag, hot = self._outer(options)
        # Coefficients on a grid, so that networks which are alike but for an order have equal totals, not nearly equal.
        base = hot @ on_grid(model.slopes[group, flag], 2 * max(grid.depths))
        if model.positions is None:
            return (LayerTerm(self._key(None), "sum", base),)
        positions = on_grid(model.positions[group], 2 * max(grid.depths))
        wanted = grid.depths if self.n_layer is None else (self.n_layer,)
        return tuple(
            LayerTerm(self._key(depth), "sum", base + positions[grid.depths.index(depth)] @ hot.T) for depth in wanted
        )

    def value(self, options: ArchitectureBatch, n_layer: int, totals: Mapping[str, np.ndarray]) -> np.ndarray:
        """Values of S networks from the total of their layers, (S,); raises `UsageError` for an unknown depth."""
        grid = self.model.grid
        if n_layer not in grid.depths or self.n_layer not in (None, n_layer):
            known = grid.depths if self.n_layer is None else (self.n_layer,)
            raise UsageError(f"n_layer is {n_layer}; the model knows {', '.join(map(str, known))}")
        group, flag, _ = self._outer(options)
        total = totals[self._key(None if self.model.positions is None else n_layer)]
        return self.model.outcome(self.model.constant[group, grid.depths.index(n_layer), flag] + total, group)

    def _key(self, depth: int | None) -> str:
        return self.name if depth is None else f"{self.name}, n_layer {depth}"

    def _outer(self, options: ArchitectureBatch) -> tuple[int, int, np.ndarray]:
        """Group, flag and the (K, C) contrasts of K one-layer options."""
        grid = self.model.grid
        width = int(options.columns[grid.group][0])
        if width not in grid.groups:
            raise UsageError(f"{grid.group} is {width}; the model knows {', '.join(map(str, grid.groups))}")
        hot = np.column_stack([options.columns[name][:, 0] == choice for name, choice in grid.contrasts])
        return grid.groups.index(width), int(options.columns[grid.flag][0]), hot.astype(float)


def significant(values: np.ndarray, digits: int) -> Any:
    """Nested lists of numbers rounded to so many significant digits.

    >>> significant(np.array([[123456.0, 0.00123456]]), 3)
    [[123000.0, 0.00123]]
    """
    rounded = np.array([float(f"{value:.{digits}g}") for value in np.ravel(values).tolist()])
    return rounded.reshape(np.shape(values)).tolist()
