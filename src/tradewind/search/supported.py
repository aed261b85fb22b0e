"""Where weighted sums of layer-additive functions are least: each layer chooses for itself, so nothing is searched.

For fixed outer genes and depth, min over networks of Σ_m w_m η_m is the sum over layers of the least Σ_m w_m of what
one choice adds. Over many weights that gives the supported part of the frontier (Ehrgott 2005, Multicriteria
Optimization, 3.1). Where layers count alike they would all change at one weight; weights that differ a little from
layer to layer give the points between.

Symbols: M functions, W weights, L layers, K choices of a layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from tradewind.predictors.additive_fit import LayerSum

WEIGHTS = 40
"""Weights tried for each combination of outer genes and depth, once as they are and once varied."""

VARIED = 0.3
"""Standard deviation of the logarithm of a layer's own weights."""

CELLS = 48
"""Combinations of outer genes and depth that are looked at, drawn at random where there are more."""


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """Members with the same row and depth: their layers' codes (N, L), and the functions' η of each, (N, M)."""

    row: int
    codes: np.ndarray
    eta: np.ndarray


def supported(functions: Sequence[LayerSum], signs: np.ndarray, rng: np.random.Generator) -> list[Cell]:
    """Members that are least for some weights of the functions times `signs` (M,)."""
    tables = functions[0].features.tables
    cells = [(row, depth) for row in tables.distinct.tolist() for depth in tables.depths]
    if len(cells) > CELLS:
        cells = [cells[i] for i in np.sort(rng.permutation(len(cells))[:CELLS])]
    found = []
    for row, n_layer in cells:
        allowed = tables.allowed[row, : tables.counts[row]]
        parts = [f.parts(row, n_layer) for f in functions]
        gains = np.stack([layers[:, allowed] for _, layers in parts])
        choices = least(signs[:, None, None] * gains, rng)
        sums = gains[:, np.arange(n_layer), choices].sum(axis=2).T
        found.append(Cell(row, allowed[choices], sums + np.array([base for base, _ in parts])))
    return found


def least(gains: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Distinct choices (networks, L) that are least for some weights of what each adds, (M, L, K).

    Weights are spread evenly over two functions, at random over more.

    >>> sorted(least(np.array([[[0.0, 1.0]], [[1.0, 0.0]]]), np.random.default_rng(0)).tolist())
    [[0], [1]]
    """
    count, n_layer, _ = gains.shape
    extent = np.ptp(gains, axis=2).sum(axis=1)
    scaled = gains / np.where(extent > 0, extent, 1.0)[:, None, None]
    weights = _weights(count, rng)
    own = weights * np.exp(VARIED * rng.normal(size=(n_layer, len(weights), count)))
    both = np.concatenate([np.broadcast_to(weights, own.shape), own], axis=1)
    choices = (both @ scaled.transpose(1, 0, 2)).argmin(axis=2).T
    distinct = {row.tobytes(): i for i, row in enumerate(choices)}
    return np.asarray(choices[sorted(distinct.values())])


def _weights(count: int, rng: np.random.Generator) -> np.ndarray:
    """Weights of the functions, (W, M), each row adding up to 1."""
    if count == 1:
        return np.ones((1, 1))
    if count == 2:
        first = np.linspace(0.01, 0.99, WEIGHTS)
        return np.column_stack([first, 1 - first])
    return rng.dirichlet(np.ones(count), WEIGHTS)
