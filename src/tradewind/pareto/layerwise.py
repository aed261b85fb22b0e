"""Dynamic programming over layers: the exact set of non-dominated totals of layerwise objectives.

Bellman's principle for vectors (Brown and Strauch 1965): with totals that combine by sum or by maximum, a partial
network whose totals are no better in any term than another's can be dropped, since whatever layers follow, it stays no
better. So only non-dominated partial networks are kept, layer by layer. Both combinations preserve dominance: a <= b
implies a + c <= b + c and max(a, c) <= max(b, c).

Symbols: K options of a layer, S partial networks kept, C columns of oriented totals (all minimised), L layers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tradewind.core.layerwise import LayerTerm
from tradewind.pareto.dominance import nondominated_mask

FEW = 4000
"""Rows up to which comparing them in full is fastest."""
CARRIED = 2.0
"""Rows that grids may leave for each row of the last stage compared in full, before a stage is compared in full again.

Comparing three columns in full takes ten times as long as a grid. The dominated rows that the grids leave are carried
along instead, and fall some layers later.
"""
GRIDS = (((1, 2, 0), 0.5), ((0, 2, 1), 4.0))
"""Columns of each grid, the last one compared exactly, and its cells a row."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """The non-dominated partial networks of a depth, and some dominated ones where there are very many.

    `totals` maps the key of each term to its S totals; `parents` and `choices` (both (S,)) say which network of the
    stage before was extended and by which option.
    """

    n_layer: int
    totals: dict[str, np.ndarray]
    parents: np.ndarray
    choices: np.ndarray

    def __len__(self) -> int:
        return len(self.choices)


def stages(terms: Sequence[LayerTerm], depth: int, epsilon: float = 0.0) -> Iterator[Stage]:
    """The non-dominated partial networks of 1, 2, ... `depth` layers, each extended from the one before.

    `terms` may hold a key twice with opposite `rising`: then networks with different totals of it are never compared.
    With `epsilon` > 0, totals that lie within a factor of each other are merged so that, for sums of non-negative
    values and for maxima, every dropped network of `depth` layers has a kept one that is worse by at most the factor
    1 + `epsilon` in every term (rounding by (1 + epsilon)**(1 / depth) a layer, as in the fully polynomial scheme of
    Papadimitriou and Yannakakis 2000).

    >>> import numpy as np
    >>> size = LayerTerm("size", "sum", np.array([1, 3]), rising=False)
    >>> time = LayerTerm("time", "sum", np.array([2.0, 9.0]))
    >>> [s.totals["time"].tolist() for s in stages([size, time], 2)]
    [[2.0, 9.0], [4.0, 11.0, 18.0]]
    """
    unique = {term.key: term for term in terms}
    wanted = {key: {term.rising for term in terms if term.key == key} for key in unique}
    signs = {key: 1.0 if rising == {True} else -1.0 for key, rising in wanted.items() if len(rising) == 1}
    opposed = [key for key, rising in wanted.items() if len(rising) == 2]
    step = np.log1p(epsilon) / depth if epsilon else 0.0

    def best(rows: Mapping[str, np.ndarray], width: float) -> np.ndarray:
        count = len(next(iter(rows.values())))
        points = np.array([sign * rows[key] for key, sign in signs.items()]).reshape(-1, count).T
        fixed = np.array([rows[key] for key in opposed]).reshape(-1, count).T
        return _kept(points, fixed, width)

    totals = {key: np.zeros(1) for key in unique}
    compared = 0
    for layer in range(depth):
        # An option that another one beats in every term is never needed.
        options = best({key: term.at(layer) for key, term in unique.items()}, 0.0)
        grown = {key: _combine(term, totals[key], term.at(layer)[options], layer) for key, term in unique.items()}
        kept = None
        if len(signs) == 3 and not opposed and not step and len(next(iter(grown.values()))) > FEW:
            kept = _sifted([grown[key] if sign > 0 else -grown[key] for key, sign in signs.items()])
        if kept is None or len(kept) > max(FEW, CARRIED * compared):
            rest = grown if kept is None else {key: values[kept] for key, values in grown.items()}
            full = best(rest, step)
            kept, compared = full if kept is None else kept[full], len(full)
        totals = {key: values[kept] for key, values in grown.items()}
        yield Stage(layer + 1, totals, kept // len(options), options[kept % len(options)])


def choices_of(history: Sequence[Stage], index: np.ndarray) -> np.ndarray:
    """The option of each layer of some networks of the last stage of `history`, (n, layers) for `index` (n,)."""
    found = np.empty((len(index), len(history)), dtype=np.int64)
    for layer in reversed(range(len(history))):
        found[:, layer] = history[layer].choices[index]
        index = history[layer].parents[index]
    return found


def _combine(term: LayerTerm, before: np.ndarray, values: np.ndarray, layer: int) -> np.ndarray:
    """Totals of every partial network extended by every option, flattened from (S, K)."""
    if term.combine == "sum" or layer == 0:
        return (before[:, None] + values[None, :]).ravel()
    return np.maximum(before[:, None], values[None, :]).ravel()


def _kept(points: np.ndarray, opposed: np.ndarray, step: float) -> np.ndarray:
    """Indices of one representative of each distinct non-dominated row; with `step`, of each non-dominated box.

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


def _sifted(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Indices of the rows of three columns that no grid finds dominated: all non-dominated ones, and some others."""
    left = np.arange(len(columns[0]))
    for (first, second, third), cells in GRIDS:
        rows = [columns[i] if len(left) == len(columns[i]) else columns[i][left] for i in (first, second, third)]
        left = left[~_plainly_dominated(*rows, cells)]
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
