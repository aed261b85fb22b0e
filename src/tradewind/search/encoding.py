"""Candidates as the vectors that a Gaussian process sees: how often a choice occurs, and where, not gene by gene.

A list of genes, one a layer, hides from a stationary kernel what costs and quality depend on: two networks with the
same layers in another order are far apart in it, though they cost the same. Here such networks differ in few entries.

Symbols: N candidates, D entries, L layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tradewind.predictors.additive_features import LEVELS, unit_line


def encoding(space: Any) -> Callable[[Sequence[Any]], np.ndarray]:
    """A function from N candidates of the space to an (N, D) array of numbers between 0 and 1.

    For a space made of layers: depth; the outer genes; and for each per-layer dimension its total over the layers, the
    share of each choice (of more than four: mean and spread), and whether large ones come late, over all layers and in
    the last quarter. For another space, its own encoding.

    >>> from tradewind import spaces
    >>> space = spaces.get("gpt2", n_layer=15, d_model=128, n_head="2,4")
    >>> encoding(space)([space.sample(0)]).shape
    (1, 12)
    """
    tables = getattr(space, "tables", None)
    if tables is None:
        return lambda candidates: np.array([space.encode(c) for c in candidates], dtype=float)
    depths, deepest = tables.depths, tables.max_depth
    outer = [unit_line(d.choices)[tables.digits[:, i]] for i, d in enumerate(tables.whole)]
    sizes = [unit_line(d.choices)[tables.code_digits[:, g]] for g, d in enumerate(tables.layered)]
    shared = [
        np.eye(len(d.choices))[tables.code_digits[:, g], 1:] if 2 < len(d.choices) <= LEVELS else None
        for g, d in enumerate(tables.layered)
    ]

    def one(candidate: Any) -> list[float]:
        row, codes = tables.place(candidate)
        n_layer = len(codes)
        place = (np.arange(n_layer) + 0.5) / n_layer - 0.5
        late = -(-n_layer // 4)
        entries = [(n_layer - depths[0]) / max(depths[-1] - depths[0], 1), *(line[row] for line in outer)]
        for size, share in zip(sizes, shared, strict=True):
            value = size[codes]
            entries += [value.sum() / deepest, 0.5 + 2 * float(place @ value) / n_layer, value[-late:].mean()]
            entries += [value.mean(), 2 * value.std()] if share is None else share[codes].mean(axis=0).tolist()
        return entries

    return lambda candidates: np.array([one(c) for c in candidates], dtype=float)
