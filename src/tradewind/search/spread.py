"""Choosing a few points of a large frontier: far from each other, or adding most hypervolume.

Symbols: F candidate points, G given points, M objectives; all minimised and of comparable scale.
"""

from __future__ import annotations

import numpy as np

from tradewind.pareto import hypervolume


def farthest_first(points: np.ndarray, n: int, given: np.ndarray | None = None) -> list[int]:
    """Indices of up to `n` distinct rows of an (F, M) array, each the farthest from all before and from `given`.

    Without `given` the best row of each objective comes first. Every beginning of the order is spread out: no row is
    farther than twice the best possible from a chosen one (Gonzalez 1985). O(n F M). Ties go to the lower index.

    >>> farthest_first(np.array([[0.0], [1.0], [5.0], [9.0]]), 3)
    [0, 3, 2]
    """
    chosen: list[int] = []
    gap = np.full(len(points), np.inf)
    for row in [] if given is None else given:
        gap = np.minimum(gap, np.linalg.norm(points - row, axis=1))
    starts = [] if given is not None and len(given) else list(dict.fromkeys(np.argmin(points, axis=0).tolist()))
    while len(chosen) < min(n, len(points)):
        index = starts.pop(0) if starts else int(np.argmax(gap))
        chosen.append(index)
        gap = np.minimum(gap, np.linalg.norm(points - points[index], axis=1))
        gap[chosen] = -1.0
        if len(chosen) == 1 and not starts and given is None:
            starts = [int(np.argmax(gap))]
    return chosen


def unit_range(points: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Points scaled so that `like` (G, M) spans 0 to 1 in every objective; one without range is only shifted.

    >>> unit_range(np.array([[3.0, 7.0]]), like=np.array([[1.0, 7.0], [5.0, 7.0]])).tolist()
    [[0.5, 0.0]]
    """
    extent = np.ptp(like, axis=0)
    return np.asarray((points - like.min(axis=0)) / np.where(extent > 0, extent, 1.0))


def greedy_hypervolume(points: np.ndarray, n: int, given: np.ndarray, reference: np.ndarray) -> list[int]:
    """Indices of up to `n` rows of an (F, M) array, each adding the most hypervolume to `given` (G, M) and the others.

    Greedy choice reaches at least 1 - 1/e of the best possible, since hypervolume is submodular (Nemhauser, Wolsey
    and Fisher 1978; Guerreiro, Fonseca and Paquete 2016). Rows that add nothing are not chosen. Gains are recomputed
    only where they could still win (Minoux 1978).

    >>> greedy_hypervolume(np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0]]), 1, np.empty((0, 2)), np.array([5.0, 5.0]))
    [1]
    """
    chosen: list[int] = []
    current = np.asarray(given, dtype=float).reshape(-1, points.shape[1])
    volume = hypervolume(current, reference)
    gains = np.full(len(points), np.inf)
    while len(chosen) < n:
        fresh = np.zeros(len(points), dtype=bool)
        while True:
            index = int(np.argmax(gains))
            if fresh[index] or gains[index] <= 0:
                break
            gains[index] = hypervolume(np.vstack([current, points[index]]), reference) - volume
            fresh[index] = True
        if gains[index] <= 1e-12 * max(volume, 1e-300):
            break
        chosen.append(index)
        current = np.vstack([current, points[index]])
        volume += gains[index]
        gains[index] = 0.0
    return chosen
