"""The first measurements of an additive search: where its model is least certain before anything is known.

Greedy choice by the largest remaining variance is a pivoted Cholesky factorisation of the prior covariance, and close
to the design of the greatest information (Krause, Singh and Guestrin 2008, JMLR 9).

Symbols: N pool members, R rows (combinations of outer genes).
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from tradewind.core import Problem
from tradewind.core.seeds import derive, generator
from tradewind.predictors.additive_features import LayerFeatures
from tradewind.predictors.additive_fit import Gram

ROWS = 24
"""Rows whose extremes are in the pool, drawn at random where there are more."""

RANDOM = 200
"""Random members in the pool."""

NOISE = 0.01
"""Variance of a measurement's noise, in variances of the prior."""


def spread_design(problem: Problem, features: LayerFeatures, n: int) -> list[Any]:
    """Up to `n` feasible members, each where the prior is least certain given those before."""
    pool = {candidate.id: candidate for candidate in (*_extremes(problem, features), *_random(problem))}
    found = list(pool.values())
    found = [c for c, holds in zip(found, problem.feasible(found), strict=True) if holds]
    if not found:
        return []
    gram = Gram(features, features.write([features.tables.place(c) for c in found]))
    parts = gram.usual / gram.sizes
    return [found[i] for i in least_certain(gram.total(parts, 1.0) / gram.usual.sum(), n)]


def least_certain(covariance: np.ndarray, n: int) -> list[int]:
    """Up to `n` indices of an (N, N) covariance, each of the largest variance given noisy values of those before.

    >>> least_certain(np.array([[2.0, 1.9, 0.0], [1.9, 2.1, 0.0], [0.0, 0.0, 1.0]]), 2)
    [1, 2]
    """
    left, order = covariance.copy(), list[int]()
    while len(order) < min(n, len(left)):
        variance = np.diag(left).copy()
        variance[order] = -1.0
        index = int(np.argmax(variance))
        order.append(index)
        left -= np.outer(left[index], left[index]) / (left[index, index] + NOISE)
    return order


def _random(problem: Problem) -> list[Any]:
    return list(problem.space.sample_many(RANDOM, derive(problem.seed, "additive", "design")))


def _extremes(problem: Problem, features: LayerFeatures) -> list[Any]:
    """Homogeneous members: shallowest and deepest, with the first and last allowed of each per-layer dimension."""
    tables = features.tables
    rows = tables.distinct.tolist()
    if len(rows) > ROWS:
        rows = [rows[i] for i in generator(problem.seed, "additive", "rows").permutation(len(rows))[:ROWS]]
    ends = [(0, len(d.choices) - 1) for d in tables.layered]
    found = []
    for row, digits in itertools.product(rows, itertools.product(*ends)):
        for depth in {tables.depths[0], tables.depths[-1]}:
            codes = tables.repair(row, np.tile(np.array(digits, dtype=np.int64), (depth, 1)))
            found.append(tables.build(row, codes))
    return found
