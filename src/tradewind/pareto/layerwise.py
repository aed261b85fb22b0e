"""Dynamic programming over layers: the exact set of non-dominated totals of layerwise objectives.

Bellman's principle for vectors (Brown and Strauch 1965): with totals that combine by sum or by maximum, a partial
network whose totals are no better in any term than another's can be dropped, since whatever layers follow, it stays no
better. So only non-dominated partial networks are kept, layer by layer. Both combinations preserve dominance: a <= b
implies a + c <= b + c and max(a, c) <= max(b, c).

Symbols: K options of a layer, S partial networks kept, C columns of oriented totals (all minimised), L layers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tradewind.core.layerwise import LayerTerm, on_grid
from tradewind.pareto.filters import FEW, best_rows, sifted
from tradewind.pareto.pairs import MOST_OPTIONS, admissible

CARRIED = 2.0
"""Rows that sifting may leave for each row of the last stage compared in full, before one is compared in full again.

Comparing three columns in full takes ten times as long as a grid. The dominated rows that the grids leave are carried
along instead, and fall some layers later.
"""
BITS = 51
"""Binary digits of a term's total that are kept, so that sums of layers are exact and their order does not matter."""


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

    tables = {key: _table(term, depth) for key, term in unique.items()}
    columns = np.array([(1.0 if term.rising else -1.0) * tables[term.key] for term in terms])
    # What pairs forbid is proved for exact sums; rounding to boxes and maxima would need another proof.
    by_pairs = not step and all(term.combine == "sum" for term in terms)
    by_grids = not step and len(signs) == 3 and not opposed

    def best(rows: Mapping[str, np.ndarray], width: float) -> np.ndarray:
        count = len(next(iter(rows.values())))
        points = np.array([sign * rows[key] for key, sign in signs.items()]).reshape(-1, count).T
        fixed = np.array([rows[key] for key in opposed]).reshape(-1, count).T
        return best_rows(points, fixed, width)

    history: list[Stage] = []
    totals = {key: np.zeros(1) for key in unique}
    compared = 0
    used = np.empty(0, dtype=np.int64)
    for layer in range(depth):
        # An option that another one beats in every term is never needed.
        options = best({key: table[layer] for key, table in tables.items()}, 0.0)
        count = len(next(iter(totals.values())))
        if by_pairs and layer and count * len(options) > FEW and len(options) <= MOST_OPTIONS:
            before = [(stage.parents, stage.choices) for stage in history]
            parents, choices = admissible(columns, before, used, options)
        else:
            parents, choices = np.repeat(np.arange(count), len(options)), np.tile(options, count)
        grown = {
            key: _extended(term, totals[key][parents], tables[key][layer][choices], layer)
            for key, term in unique.items()
        }
        kept = None
        if by_grids and len(choices) > FEW:
            kept = sifted([grown[key] if sign > 0 else -grown[key] for key, sign in signs.items()])
        if kept is None or len(kept) > max(FEW, CARRIED * compared):
            rest = grown if kept is None else {key: values[kept] for key, values in grown.items()}
            full = best(rest, step)
            kept, compared = full if kept is None else kept[full], len(full)
        used = np.union1d(used, options)
        totals = {key: values[kept] for key, values in grown.items()}
        history.append(Stage(layer + 1, totals, parents[kept], choices[kept]))
        yield history[-1]


def choices_of(history: Sequence[Stage], index: np.ndarray) -> np.ndarray:
    """The option of each layer of some networks of the last stage of `history`, (n, layers) for `index` (n,)."""
    found = np.empty((len(index), len(history)), dtype=np.int64)
    for layer in reversed(range(len(history))):
        found[:, layer] = history[layer].choices[index]
        index = history[layer].parents[index]
    return found


def _extended(term: LayerTerm, before: np.ndarray, values: np.ndarray, layer: int) -> np.ndarray:
    """Totals of networks of `layer` layers with one more."""
    if term.combine == "sum":
        return np.asarray(before + values)
    return np.maximum(before, values) if layer else values


def _table(term: LayerTerm, depth: int) -> np.ndarray:
    """The term's values (L, K); those to be summed are such that sums are exact."""
    table = np.array([term.at(layer) for layer in range(depth)], dtype=float)
    return table if term.combine == "max" else on_grid(table, depth, BITS)
