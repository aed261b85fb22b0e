"""Best first: candidates in the order of NSGA-II, by rank of non-domination and then by crowding distance.

Source: Deb et al. 2002, IEEE TEC 6(2), the crowded comparison. Symbols: N points, M objectives, all minimised.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradewind.core import Objective
from tradewind.pareto import crowding_distance, nondominated_rank, oriented


def best_first(points: np.ndarray, n: int | None = None) -> np.ndarray:
    """Indices of the `n` best (all, if not given) of N points (N, M), best first; ties go to the lower index.

    Of the last front that finds room, the loneliest points are taken; all crowding distances are those of whole fronts.

    >>> best_first(np.array([[3.0, 3.0], [0.0, 4.0], [1.0, 2.0], [4.0, 0.0], [1.5, 1.9]]), 4).tolist()
    [1, 3, 4, 2]
    """
    ranks = nondominated_rank(points)
    wanted = len(points) if n is None else min(n, len(points))
    order = np.empty(0, dtype=np.int64)
    for rank in range(int(ranks.max(initial=0)) + 1):
        if len(order) >= wanted:
            break
        front = np.flatnonzero(ranks == rank)
        order = np.concatenate([order, front[np.argsort(-crowding_distance(points[front]), kind="stable")]])
    return order[:wanted]


def signs(objectives: Sequence[Objective]) -> tuple[float, ...]:
    """What values are multiplied by to be minimised: 1 or -1 for each objective."""
    return tuple(oriented([[1.0] * len(objectives)], objectives)[0].tolist())
