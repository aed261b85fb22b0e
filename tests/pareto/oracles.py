"""Slow definitions, written from the textbook, to check the fast ones."""

from __future__ import annotations

import itertools

import numpy as np


def dominates(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


def nondominated(points: np.ndarray) -> list[bool]:
    return [not any(dominates(other, point) for other in points) for point in points]


def ranks(points: np.ndarray) -> list[int]:
    result = [-1] * len(points)
    rank = 0
    while -1 in result:
        left = [i for i, r in enumerate(result) if r == -1]
        for i, best in zip(left, nondominated(points[left]), strict=True):
            if best:
                result[i] = rank
        rank += 1
    return result


def hypervolume(points: np.ndarray, reference: np.ndarray) -> float:
    """Inclusion-exclusion over all subsets of the boxes [point, reference]."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for subset in itertools.combinations(points, size):
            sides = np.maximum(reference - np.max(subset, axis=0), 0.0)
            total += (-1) ** (size + 1) * float(np.prod(sides))
    return total


def igd_plus(points: np.ndarray, reference_set: np.ndarray) -> float:
    return float(np.mean([min(np.linalg.norm(np.maximum(a - r, 0)) for a in points) for r in reference_set]))


def epsilon_additive(points: np.ndarray, reference_set: np.ndarray) -> float:
    return max(min(float(np.max(a - r)) for a in points) for r in reference_set)


def epsilon_multiplicative(points: np.ndarray, reference_set: np.ndarray) -> float:
    return max(min(float(np.max(a / r)) for a in points) for r in reference_set)


def attained_share(point: np.ndarray, fronts: list[np.ndarray]) -> float:
    return sum(any((p <= point).all() for p in front) for front in fronts) / len(fronts)
