"""EHVI: measure what is expected to add most hypervolume, by Gaussian processes.

Source: Emmerich, Giannakoglou and Naujoks 2006, IEEE TEC 10(4); over boxes as Daulton, Balandat and Bakshy 2020 (arXiv
2006.05078). The noise is taken out of the front, as in their paper of 2021 (arXiv 2105.08195): what counts is the
posterior mean of what was measured. The expectation is computed in closed form, since the pool is discrete and the
objectives' processes are independent; in the published comparison BoTorch estimated it by sampling.

Symbols: P pool members, F front members, C boxes, M objectives, all minimised.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tradewind.pareto import nondominated_mask
from tradewind.search.bayesian import Bayesian
from tradewind.search.spread import greedy_hypervolume
from tradewind.search.surrogate import Posterior

REFERENCE = 1.1
"""The reference point in every objective, the front spanning 0 to 1."""

MOST = {1: 1, 2: 60, 3: 30}
"""Points of the front that boxes are made of, by objectives, the greatest by hypervolume first; 12 beyond three."""


class EHVI(Bayesian):
    """Bayesian optimisation by expected hypervolume improvement.

    Raises `UsageError` where BoTorch is not installed.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params,flops"), 0, lambda c: np.ones(len(c), bool))
    >>> len(EHVI(problem).ask(20))
    20
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"hwgpt": {"initial": 5, "round": 1, "corners": False}}

    def worth(self, pool: Posterior, front: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The expected hypervolume improvement of each member."""
        corner = np.full(front.shape[1], REFERENCE)
        most = MOST.get(len(corner), 12)
        if len(front) > most:
            front = front[greedy_hypervolume(front, most, np.empty((0, len(corner))), corner)]
        return expected_improvement(pool.mean, pool.deviation, *boxes(front, corner))


def boxes(front: np.ndarray, corner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a front (F, M) does not dominate below the corner, as disjoint boxes: lower and upper ends, (C, M) each.

    Slab by slab along the last objective, and so on in each slab with the points that reach it: at most
    (F + 1)(F + 2) / 2 boxes with three objectives.

    >>> boxes(np.array([[1.0, 2.0]]), np.array([3.0, 3.0]))[1].tolist()
    [[3.0, 2.0], [1.0, 3.0]]
    """
    front = front[(front < corner).all(axis=1)]
    if len(corner) == 1:
        return np.full((1, 1), -np.inf), np.vstack([front, corner]).min(axis=0)[None]
    order = np.argsort(front[:, -1], kind="stable")
    ends = np.r_[-np.inf, front[order, -1], corner[-1]]
    low, high = [], []
    for count, (start, end) in enumerate(itertools.pairwise(ends)):
        if end > start:
            reach = front[order[:count], :-1]
            below, above = boxes(reach[nondominated_mask(reach)], corner[:-1])
            low.append(np.column_stack([below, np.full(len(below), start)]))
            high.append(np.column_stack([above, np.full(len(above), end)]))
    return np.vstack(low), np.vstack(high)


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Expected volume that normal points (P, M) dominate of boxes (C, M), (P,).

    A point y dominates in a box, along each objective, the length max(0, high - max(y, low)), whose expectation is
    E(high - y)⁺ - E(low - y)⁺.

    >>> found = expected_improvement(np.array([[0.5]]), np.array([[1e-9]]), np.array([[-np.inf]]), np.array([[2.0]]))
    >>> float(found[0])
    1.5
    """

    def below(ends: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        gap = ends[None] - mean[:, None]
        finite = np.isfinite(gap)
        scaled = np.where(finite, gap, 0.0) / deviation[:, None]
        density = np.exp(-0.5 * scaled**2) / np.sqrt(2 * np.pi)
        return np.where(finite, np.where(finite, gap, 0.0) * ndtr(scaled) + deviation[:, None] * density, 0.0)

    return np.asarray(np.maximum(below(high) - below(low), 0.0).prod(axis=2).sum(axis=1))
