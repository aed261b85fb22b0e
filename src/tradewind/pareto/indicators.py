"""Indicators of how good a set of points is: hypervolume, IGD+ and the two epsilons, with their reference rules.

Symbols: A approximation set (N, M), R reference set (K, M), r reference point (M,); all objectives minimised.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewind.core import UsageError
from tradewind.pareto.dominance import as_points, nondominated_mask


def hypervolume(points: Any, reference: Any) -> float:
    """Volume that the points dominate below the reference point r; 0 when none lies below it. Larger is better.

    Zitzler and Thiele 1998 (PPSN V). O(N log N) for M <= 3, O(N^2) for M = 4 and O(N^(M-2)) at worst above
    (Fonseca, Paquete, Lopez-Ibanez 2006; Guerreiro and Fonseca 2018).

    >>> hypervolume([[1, 3], [2, 1]], reference=[4, 4])
    7.0
    """
    import moocore

    array, corner = as_points(points), np.asarray(reference, dtype=np.float64)
    if corner.shape != array.shape[1:] or not np.isfinite(corner).all():
        raise UsageError(f"the reference point {corner.tolist()} must be {array.shape[1]} finite numbers")
    return float(moocore.hypervolume(array, ref=corner)) if len(array) else 0.0


def igd_plus(points: Any, reference_set: Any) -> float:
    """Mean over R of the distance to the nearest point of A, counting only where A is worse. Smaller is better.

    Unlike plain IGD it never prefers a dominated set (Ishibuchi et al. 2015, EMO). O(N K M). Infinite for no points.

    >>> igd_plus([[1, 1]], [[0, 1], [2, 2]])
    0.5
    """
    import moocore

    array, target = _pair(points, reference_set)
    return float(moocore.igd_plus(array, ref=target)) if len(array) else float("inf")


def epsilon_additive(points: Any, reference_set: Any) -> float:
    """The least number which, subtracted from every value of A, makes A weakly dominate R. Smaller is better.

    Zitzler et al. 2003, IEEE TEC 7(2). O(N K M). Infinite for no points.

    >>> epsilon_additive([[1, 3]], [[0, 3]])
    1.0
    """
    import moocore

    array, target = _pair(points, reference_set)
    return float(moocore.epsilon_additive(array, ref=target)) if len(array) else float("inf")


def epsilon_multiplicative(points: Any, reference_set: Any) -> float:
    """The least factor by which every value of A must be divided to weakly dominate R. Smaller is better, 1 is par.

    Zitzler et al. 2003, IEEE TEC 7(2). O(N K M). Infinite for no points. Raises `UsageError` unless all values are
    positive: a factor means nothing across zero.

    >>> epsilon_multiplicative([[2, 3]], [[1, 3]])
    2.0
    """
    import moocore

    array, target = _pair(points, reference_set)
    if (array <= 0).any() or (target <= 0).any():
        raise UsageError("the multiplicative epsilon needs positive values; use epsilon_additive on normalised points")
    return float(moocore.epsilon_mult(array, ref=target)) if len(array) else float("inf")


def reference_point(points: Any) -> np.ndarray:
    """The reference point of a set that names none: its nadir plus a tenth of its range, (M,).

    Nadir and range are those of the non-dominated points, so dominated outliers do not move it; the tenth lets the
    extreme points count (Ishibuchi et al. 2018, Evol. Comput. 26(3), discuss the choice). A column without range takes
    a tenth of its own size, or 1 at zero. Volumes are comparable only under one reference point. Raises `UsageError`
    for no points.

    >>> reference_point([[0.0, 10.0], [10.0, 0.0], [90.0, 90.0]]).tolist()
    [11.0, 11.0]
    """
    array = as_points(points)
    if not len(array):
        raise UsageError("a reference point needs at least one point")
    front = array[nondominated_mask(array)]
    nadir, extent = front.max(axis=0), np.ptp(front, axis=0)
    size = np.where(nadir == 0, 10.0, np.abs(nadir))
    return np.asarray(nadir + 0.1 * np.where(extent > 0, extent, size))


def normalise(points: Any, ideal: Any, nadir: Any) -> np.ndarray:
    """Points scaled so that `ideal` (M,) becomes 0 and `nadir` (M,) becomes 1; points beyond are not clipped.

    Raises `UsageError` unless ideal < nadir in every objective.

    >>> normalise([[5.0, 30.0]], ideal=[0, 10], nadir=[10, 50]).tolist()
    [[0.5, 0.5]]
    """
    array = as_points(points)
    low, high = np.asarray(ideal, dtype=np.float64), np.asarray(nadir, dtype=np.float64)
    if low.shape != array.shape[1:] or high.shape != array.shape[1:] or not (low < high).all():
        raise UsageError(
            f"ideal {low.tolist()} must lie below nadir {high.tolist()} in each of {array.shape[1]} objectives"
        )
    return np.asarray((array - low) / (high - low))


def _pair(points: Any, reference_set: Any) -> tuple[np.ndarray, np.ndarray]:
    array, target = as_points(points), as_points(reference_set)
    if not len(target) or target.shape[1] != array.shape[1]:
        raise UsageError(
            f"the reference set has shape {target.shape}; give at least one row of {array.shape[1]} objectives"
        )
    return array, target
