from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.pareto import hypervolume
from tradewind.search.spread import farthest_first, greedy_hypervolume


def random_front(seed: int, n: int, m: int) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).dirichlet(np.ones(m), n))


@given(st.integers(0, 50), st.integers(1, 4), st.integers(2, 3))
def test_farthest_first_is_within_twice_the_best_cover(seed: int, n: int, m: int) -> None:
    points = random_front(seed, 9, m)
    picks = farthest_first(points, n, given=points[:1])
    assert len(set(picks)) == n

    def radius(chosen: tuple[int, ...]) -> float:
        centres = np.vstack([points[:1], points[list(chosen)]])
        return float(np.linalg.norm(points[:, None] - centres[None], axis=2).min(axis=1).max())

    best = min(radius(c) for c in itertools.combinations(range(9), n))
    assert radius(tuple(picks)) <= 2 * best + 1e-9


def test_without_given_points_the_extremes_come_first() -> None:
    points = random_front(0, 200, 3)
    assert set(farthest_first(points, 3)) == set(np.argmin(points, axis=0).tolist())
    assert len(farthest_first(points, 500)) == 200


@settings(max_examples=25)
@given(st.integers(0, 50), st.integers(2, 3))
def test_greedy_hypervolume_is_the_plain_greedy_and_near_the_best_subset(seed: int, m: int) -> None:
    points, reference = random_front(seed, 8, m), np.full(m, 1.1)
    picks = greedy_hypervolume(points, 3, np.empty((0, m)), reference)
    plain: list[int] = []
    for _ in range(3):
        gains = [hypervolume(points[[*plain, i]], reference) for i in range(8)]
        plain.append(int(np.argmax(gains)))
    assert hypervolume(points[picks], reference) >= hypervolume(points[plain], reference) - 1e-12
    best = max(hypervolume(points[list(c)], reference) for c in itertools.combinations(range(8), 3))
    assert hypervolume(points[picks], reference) >= (1 - 1 / np.e) * best


def test_points_that_add_nothing_are_not_chosen() -> None:
    points = np.array([[2.0, 2.0], [3.0, 3.0], [9.0, 9.0]])
    assert greedy_hypervolume(points, 3, np.array([[1.0, 1.0]]), np.array([5.0, 5.0])) == []
    assert greedy_hypervolume(points, 3, np.empty((0, 2)), np.array([5.0, 5.0])) == [0]
