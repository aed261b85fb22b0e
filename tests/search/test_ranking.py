from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import parse_objectives
from tradewind.pareto import crowding_distance
from tradewind.search.ranking import best_first, signs

POINTS = st.integers(1, 3).flatmap(
    lambda m: st.lists(st.tuples(*[st.integers(0, 4).map(float)] * m), min_size=1, max_size=12)
)


def brute_force_order(points: np.ndarray) -> list[int]:
    """Peel fronts by comparing all pairs, then sort each by crowding."""
    left, order = list(range(len(points))), []
    while left:
        front = [
            i for i in left if not any((points[j] <= points[i]).all() and (points[j] < points[i]).any() for j in left)
        ]
        distance = crowding_distance(points[front])
        order += [front[k] for k in sorted(range(len(front)), key=lambda k: (-distance[k], k))]
        left = [i for i in left if i not in front]
    return order


@given(POINTS, st.integers(0, 14))
def test_the_order_is_that_of_brute_force(rows, n):
    points = np.array(rows)
    expected = brute_force_order(points)
    assert best_first(points).tolist() == expected
    assert best_first(points, n).tolist() == expected[:n]


def test_nothing_is_in_no_order():
    assert best_first(np.empty((0, 2))).tolist() == []


def test_signs_turn_what_is_maximised():
    assert signs(parse_objectives("decoder_params,latency_ms@cpu")) == pytest.approx((-1.0, 1.0))
