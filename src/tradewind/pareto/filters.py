"""Which rows of a table no other row dominates: in full, by boxes, or roughly and fast.

Symbols: S rows, C columns, all minimised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tradewind.pareto.dominance import nondominated_mask

FEW = 4000
"""Rows up to which comparing them in full is fastest."""
GRIDS = (((1, 2, 0), 0.5), ((0, 2, 1), 2.0))
"""Columns of each grid, the last one compared exactly, and its cells a row."""


def best_rows(points: np.ndarray, opposed: np.ndarray, step: float) -> np.ndarray:
    """Indices of the first of each distinct non-dominated row; with `step`, of one in each non-dominated box.

    Rows with different values in the `opposed` columns are never compared.
    """
    if step:
        points, opposed = _boxes(points, step), _boxes(opposed, step)
    columns = [points[:, i] for i in range(points.shape[1])]
    groups = [opposed[:, i] for i in range(opposed.shape[1])]
    if len(columns) > 2:
        return np.flatnonzero(nondominated_mask(np.hstack([points, opposed, -opposed]), copies=False))
    order = np.lexsort([*columns[::-1], *groups[::-1]])
    rows = np.column_stack([*groups, *columns])[order]
    order = order[np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)]]
    group = np.zeros(len(order), dtype=np.int64)
    if groups:
        keys = opposed[order]
        group[1:] = np.cumsum((keys[1:] != keys[:-1]).any(axis=1))
    if not columns:
        return np.sort(order)
    if len(columns) == 1:
        return np.sort(order[np.r_[True, group[1:] != group[:-1]]])
    # Rows are sorted by group, then by the first column: a row survives if its last column is below all before it in
    # its group. Ranks shifted down by group make one running minimum serve all groups.
    ranks = np.unique(columns[-1][order], return_inverse=True)[1]
    shifted = ranks - group * (len(order) + 1)
    return np.sort(order[np.r_[True, shifted[1:] < np.minimum.accumulate(shifted)[:-1]]])


def sifted(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Indices of the rows of three columns that no grid finds dominated: all non-dominated ones, and some others."""
    left = np.arange(len(columns[0]))
    for (first, second, third), cells in GRIDS:
        rows = [column if len(left) == len(column) else column[left] for column in columns]
        left = left[~_plainly_dominated(rows[first], rows[second], rows[third], cells)]
    return left


def _plainly_dominated(first: np.ndarray, second: np.ndarray, third: np.ndarray, cells: float) -> np.ndarray:
    """Some of the dominated rows of three columns (S,), in O(S): a grid over two holds the least of the third.

    A row in a cell that is further along both ways than another's, and no better in the third column, is dominated.
    """
    side = 1 + math.isqrt(int(cells * len(first)))
    place = _cells(first, side) * (side + 1) + _cells(second, side)
    # Row and column 0 are outside; each row of the points stands one further along both ways than it looks up.
    least = np.full((side + 1) * (side + 1) + side + 2, np.inf)
    np.minimum.at(least, place + (side + 2), third)
    grid = least[: (side + 1) ** 2].reshape(side + 1, side + 1)
    np.minimum.accumulate(np.minimum.accumulate(grid, axis=0, out=grid), axis=1, out=grid)
    return np.asarray(least[place] <= third)


def _cells(column: np.ndarray, side: int) -> np.ndarray:
    """The cell, from 0 to `side` - 1, of each value between the least and the greatest."""
    low, extent = column.min(), np.ptp(column)
    return np.minimum(((column - low) * (side / extent if extent > 0 else 0.0)).astype(np.int64), side - 1)


def _boxes(points: np.ndarray, step: float) -> np.ndarray:
    """Corners of the logarithmic boxes of relative width exp(`step`) that hold the points; zero has its own."""
    corner = np.floor(np.log(np.maximum(np.abs(points), np.finfo(float).tiny)) / step)
    return np.where(points == 0, 0.0, np.sign(points) * (corner + 2.0**40))
