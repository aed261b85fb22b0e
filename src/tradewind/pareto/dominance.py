"""Who dominates whom: the non-dominated set, non-dominated sorting and crowding distance.

Point a dominates b when a is nowhere worse and somewhere better (all objectives minimised). Equal points do not
dominate each other, so every copy of a non-dominated point is non-dominated.

Symbols: N points, M objectives; points are arrays of shape (N, M), minimised in every column (see `oriented`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tradewind.core import Objective, UsageError


def oriented(values: Any, objectives: Sequence[Objective]) -> np.ndarray:
    """Values in their own units, shape (N, M), as points to minimise: columns of maximised objectives change sign.

    It is its own inverse. Raises `UsageError` when the columns are not those of `objectives`.

    >>> oriented([[6e6, 12.5]], [Objective("decoder_params"), Objective("latency_ms", "cpu")]).tolist()
    [[-6000000.0, 12.5]]
    """
    array = np.asarray(values, dtype=np.float64)
    array = array.reshape(-1, len(objectives)) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != len(objectives):
        raise UsageError(f"values have shape {array.shape}; {len(objectives)} objectives need (N, {len(objectives)})")
    return array * np.array([1.0 if objective.minimise else -1.0 for objective in objectives])


def nondominated_mask(points: Any, copies: bool = True) -> np.ndarray:
    """Which points no other point dominates, boolean (N,); all copies of a non-dominated point are kept, or the first.

    O(N log N) for M <= 3, O(N log^(M-2) N) above (Kung, Luccio, Preparata 1975, J. ACM 22(4)).

    >>> nondominated_mask([[1, 2], [2, 1], [2, 2], [1, 2]]).tolist()
    [True, True, False, True]
    """
    import moocore

    array = as_points(points)
    return np.asarray(moocore.is_nondominated(array, keep_weakly=copies), dtype=bool)


def nondominated_rank(points: Any) -> np.ndarray:
    """Rank 0 for the non-dominated points, 1 for those non-dominated once these are gone, and so on; int64 (N,).

    O(N log N) for M = 2, O(N^2 log N) in the worst case for M = 3 (Deb et al. 2002, IEEE TEC 6(2); Jensen 2003).

    >>> nondominated_rank([[1, 1], [1, 2], [2, 2], [1, 1]]).tolist()
    [0, 1, 2, 0]
    """
    import moocore

    return np.asarray(moocore.pareto_rank(as_points(points)), dtype=np.int64)


def crowding_distance(points: Any) -> np.ndarray:
    """How far each point of one front stands from its neighbours, (N,); larger is lonelier, extremes are infinite.

    The sum over objectives of the gap between the two neighbours, divided by the objective's range. A column without
    range counts nothing. Ties are ordered by position. O(M N log N). Deb et al. 2002, IEEE TEC 6(2), section III-B.

    >>> crowding_distance([[0, 4], [1, 2], [4, 0]]).tolist()
    [inf, 2.0, inf]
    """
    array = as_points(points)
    count = len(array)
    distance = np.zeros(count)
    if count <= 2:
        return np.full(count, np.inf)
    for column in array.T:
        order = np.argsort(column, kind="stable")
        ranked = column[order]
        extent = ranked[-1] - ranked[0]
        if extent > 0:
            distance[order[1:-1]] += (ranked[2:] - ranked[:-2]) / extent
            distance[order[[0, -1]]] = np.inf
    return distance


def as_points(points: Any) -> np.ndarray:
    """An array (N, M) of numbers; raises `UsageError` for another shape or NaN, which no order can place."""
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise UsageError(f"points have shape {array.shape}; give an array (N, M), one row a point")
    if np.isnan(array).any():
        row = int(np.flatnonzero(np.isnan(array).any(axis=1))[0])
        raise UsageError(f"point {row} holds NaN; leave out evaluations without a value")
    return array
