from __future__ import annotations

import numpy as np
import pytest

from tradewind.pareto import nondominated_mask
from tradewind.pareto.filters import best_rows, sifted


def test_of_equal_rows_the_first_is_kept() -> None:
    rng = np.random.default_rng(0)
    for columns in (2, 3, 4):
        points = rng.integers(0, 4, (300, columns)).astype(float)
        kept = best_rows(points, np.empty((300, 0)), 0.0)
        assert kept.tolist() == sorted(kept)
        for index in kept.tolist():
            assert not (points[:index] == points[index]).all(axis=1).any()


@pytest.mark.parametrize("kind", ["spread", "tied", "skewed", "flat", "huge"])
def test_the_grid_finds_only_dominated_rows_and_most_of_them(kind: str) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(6000, 3))
    if kind == "tied":
        points = np.floor(points * 12)
    elif kind == "skewed":
        points = np.exp(12 * points)
    elif kind == "flat":
        points[:, 1] = 3.0
    elif kind == "huge":
        points = points * 1e-9 + np.array([1e15, -1e15, 1.0])
    dominated = ~nondominated_mask(points)
    left = np.zeros(len(points), dtype=bool)
    left[sifted(list(points.T))] = True
    assert np.all(left | dominated)
    if kind == "spread":
        assert (~left).sum() > 0.9 * dominated.sum()
    distinct = {tuple(row) for row in points[~dominated].tolist()}
    kept = points[best_rows(points, np.empty((6000, 0)), 0.0)].tolist()
    assert len(kept) == len(distinct)
    assert {tuple(row) for row in kept} == distinct
