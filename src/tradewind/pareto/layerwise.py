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
"""Rows up to which sorting alone is faster."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """The non-dominated partial networks of a depth.

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
    for layer in range(depth):
        # An option that another one beats in every term is never needed.
        options = best({key: term.at(layer) for key, term in unique.items()}, 0.0)
        grown = {key: _combine(term, totals[key], term.at(layer)[options], layer) for key, term in unique.items()}
        kept = best(grown, step)
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
        left = np.arange(len(points))
        if len(columns) == 3 and not groups and len(points) > FEW:
            left = np.flatnonzero(~_plainly_dominated(points))
        return left[nondominated_mask(np.hstack([points, opposed, -opposed])[left], copies=False)]
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


def _plainly_dominated(points: np.ndarray) -> np.ndarray:
    """Some of the dominated rows of an (S, 3) array, in O(S): a grid of S cells over two columns holds the least
    of the third.

    A row in a cell that is further along both ways than another's, and no better in the third column, is dominated.
    """
    side = 1 + math.isqrt(len(points))
    cells = []
    for column in (points[:, 0], points[:, 1]):
        low, extent = column.min(), np.ptp(column)
        scaled = (column - low) * (side / extent if extent > 0 else 0.0)
        cells.append(np.minimum(scaled.astype(np.int64), side - 1))
    first, second = cells
    least = np.full((side + 1, side + 1), np.inf)
    np.minimum.at(least.ravel(), (first + 1) * (side + 1) + second + 1, points[:, 2])
    np.minimum.accumulate(np.minimum.accumulate(least, axis=0, out=least), axis=1, out=least)
    return np.asarray(least[first, second] <= points[:, 2])


def _boxes(points: np.ndarray, step: float) -> np.ndarray:
    """Corners of the logarithmic boxes of relative width exp(`step`) that hold the points; zero has its own."""
    corner = np.floor(np.log(np.maximum(np.abs(points), np.finfo(float).tiny)) / step)
    return np.where(points == 0, 0.0, np.sign(points) * (corner + 2.0**40))
