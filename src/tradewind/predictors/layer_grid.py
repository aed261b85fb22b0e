"""LayerGrid: the choices that a layer model knows, and architectures written as counts of those choices.

Source: the spaces of HW-GPT-Bench (Sukthanker et al. 2024, arXiv 2405.10299): a width, a depth, a bias flag and, in
each layer, a head count and an MLP ratio.

Symbols: N architectures, G groups (widths), D depths, L the deepest, K choices of a per-layer field, C contrasts (all
choices of all per-layer fields but the first of each), F features of one group.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np

from tradewind.core import ArchitectureBatch, FileFormatError, InvalidArchitectureError


@dataclasses.dataclass(frozen=True)
class LayerGrid:
    """Choices of the `group` field (each has coefficients of its own), of depth, and of the per-layer fields.

    `flag` is a boolean field of the whole architecture.

    >>> grid = LayerGrid("d_model", (64, 128), "bias", (2, 3), (("n_head", (1, 2)), ("mlp_ratio", (2, 4))))
    >>> grid.contrasts
    (('n_head', 2), ('mlp_ratio', 4))
    """

    group: str
    groups: tuple[int, ...]
    flag: str
    depths: tuple[int, ...]
    layered: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of_space(cls, space: Any, group: str = "d_model", flag: str = "bias") -> LayerGrid:
        """The grid of an architecture space with the dimensions `group`, `flag`, n_layer and per-layer ones."""
        layered = tuple((d.name, tuple(d.choices)) for d in space.dimensions if d.per_layer)
        return cls(group, tuple(space.dimension(group).choices), flag, space.depths, layered)

    @property
    def contrasts(self) -> tuple[tuple[str, int], ...]:
        """Every (field, choice) but the first choice of each field, to which the others are compared."""
        return tuple((name, choice) for name, choices in self.layered for choice in choices[1:])

    def codes(self, archs: ArchitectureBatch, first: int = 0) -> Codes:
        """The architectures as codes of this grid.

        Raises `InvalidArchitectureError` for the first one outside it, counting rows from `first`.
        """
        found = Codes(
            grid=self,
            archs=archs,
            group=_position(self.groups, archs.columns[self.group], self.group, first),
            depth=_position(self.depths, archs.n_layer, "n_layer", first),
            flag=archs.columns[self.flag].astype(np.int64),
        )
        for name, choices in self.layered:
            known = found.counts[name].sum(axis=1)
            if np.any(known != archs.n_layer):
                row = int(np.flatnonzero(known != archs.n_layer)[0])
                given = archs.columns[name][row, : archs.n_layer[row]].tolist()
                raise InvalidArchitectureError(
                    f"row {first + row}: {name} is {given}; every entry must be one of {', '.join(map(str, choices))}"
                )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`."""
        data = dataclasses.asdict(self)
        return data | {"layered": [[name, list(choices)] for name, choices in self.layered]}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> LayerGrid:
        """The grid of a dictionary written by `to_dict`; raises `FileFormatError`."""
        try:
            layered = tuple((str(name), tuple(choices)) for name, choices in data["layered"])
            return LayerGrid(data["group"], tuple(data["groups"]), data["flag"], tuple(data["depths"]), layered)
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"not a grid of layer choices: {error}") from error


@dataclasses.dataclass(frozen=True, eq=False)
class Codes:
    """N architectures of a grid: indices of group, depth and flag, each (N,), and counts of per-layer choices."""

    grid: LayerGrid
    archs: ArchitectureBatch
    group: np.ndarray
    depth: np.ndarray
    flag: np.ndarray

    def __len__(self) -> int:
        return len(self.group)

    def __getitem__(self, rows: np.ndarray) -> Codes:
        """The codes of some rows (a mask or indices)."""
        return Codes(self.grid, self.archs[rows], self.group[rows], self.depth[rows], self.flag[rows])

    @cached_property
    def counts(self) -> dict[str, np.ndarray]:
        """Layers with each choice of each per-layer field, (N, K)."""
        return {
            name: np.count_nonzero(self.archs.columns[name][:, :, None] == np.array(choices), axis=1)
            for name, choices in self.grid.layered
        }

    @cached_property
    def contrast_counts(self) -> np.ndarray:
        """Layers with each contrast, (N, C), float."""
        return np.concatenate([counts[:, 1:] for counts in self.counts.values()], axis=1, dtype=float)

    @cached_property
    def one_hot(self) -> np.ndarray:
        """1 where a layer has a contrast, (N, L, C), float; zero past an architecture's depth."""
        deepest = max(self.grid.depths)
        hot = np.zeros((len(self), deepest, len(self.grid.contrasts)))
        for c, (name, choice) in enumerate(self.grid.contrasts):
            column = self.archs.columns[name][:, :deepest] == choice
            hot[:, : column.shape[1], c] = column
        return hot

    @cached_property
    def features(self) -> np.ndarray:
        """Regressors of one group, (N, F): constant, depth, flag and counts, the last two interacting.

        Centred at a balanced architecture (each choice in equally many layers), so that the first coefficient is its
        value and the columns are nearly uncorrelated in a random sample.
        """
        n_depth, n_contrast = len(self.grid.depths), len(self.grid.contrasts)
        table = np.zeros((len(self), n_depth + 2 + 2 * n_contrast))
        table[:, 0] = 1
        table[:, 1:n_depth] = self.depth[:, None] == np.arange(1, n_depth)
        table[:, n_depth] = flag = self.flag - 0.5
        table[:, n_depth + 1] = flag * (self.depth - (n_depth - 1) / 2)
        centred = self.contrast_counts - self.archs.n_layer[:, None] / balance(self.grid)
        table[:, n_depth + 2 : -n_contrast] = centred
        table[:, -n_contrast:] = flag[:, None] * centred
        return table

    @cached_property
    def sorted(self) -> Sorted:
        """The rows in order of group and depth, as the models read them."""
        if len(self) == 1:
            return Sorted(self, np.zeros(1, dtype=int), [(int(self.group[0]), int(self.depth[0]), slice(0, 1))])
        cell = self.group * len(self.grid.depths) + self.depth
        order = np.argsort(cell, kind="stable")
        found, starts = np.unique(cell[order], return_index=True)
        ends = [*starts[1:].tolist(), len(order)]
        cells = [
            (value // len(self.grid.depths), value % len(self.grid.depths), slice(start, end))
            for value, start, end in zip(found.tolist(), starts.tolist(), ends, strict=True)
        ]
        return Sorted(self, order, cells)


@dataclasses.dataclass(frozen=True, eq=False)
class Sorted:
    """Rows of codes in `order` (N,), so that each (group, depth) is a slice: `cells` holds (group, depth, slice)."""

    codes: Codes
    order: np.ndarray
    cells: list[tuple[int, int, slice]]

    @cached_property
    def features(self) -> np.ndarray:
        """`Codes.features`, (N, F)."""
        return self.codes.features[self.order]

    @cached_property
    def by_flag(self) -> np.ndarray:
        """Without and with the flag, then the counts of the contrasts without and with it, (N, 2 + 2C)."""
        flag, counts = self.codes.flag[self.order], self.codes.contrast_counts[self.order]
        n_contrast = counts.shape[1]
        table = np.empty((len(flag), 2 + 2 * n_contrast))
        table[:, 1], table[:, 0] = flag, 1 - flag
        np.multiply(counts, table[:, :1], out=table[:, 2 : 2 + n_contrast])
        np.multiply(counts, table[:, 1:2], out=table[:, 2 + n_contrast :])
        return table

    @cached_property
    def one_hot(self) -> np.ndarray:
        """`Codes.one_hot`, (N, L·C)."""
        return self.codes.one_hot[self.order].reshape(len(self.order), -1)

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Values (N,) of the sorted rows in the rows' own order."""
        found = np.empty_like(values)
        found[self.order] = values
        return found


def balance(grid: LayerGrid) -> np.ndarray:
    """For each contrast, the number of choices of its field, (C,): 1/balance of the layers have it in balance."""
    choices = dict(grid.layered)
    return np.array([len(choices[name]) for name, _ in grid.contrasts], dtype=float)


def _position(choices: tuple[int, ...], values: np.ndarray, name: str, first: int) -> np.ndarray:
    """Index of each value in `choices`, which rise."""
    table = np.array(choices)
    found = np.minimum(np.searchsorted(table, values), len(table) - 1)
    if np.any(table[found] != values):
        row = int(np.flatnonzero(table[found] != values)[0])
        nearest = min(choices, key=lambda choice: abs(choice - int(values[row])))
        raise InvalidArchitectureError(
            f"row {first + row}: {name} is {int(values[row])}; it must be one of {', '.join(map(str, choices))} "
            f"(nearest: {nearest})"
        )
    return found
