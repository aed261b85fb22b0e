from __future__ import annotations

import itertools

import numpy as np
import pytest
from tests.pareto import oracles

from tradewind.core import UsageError
from tradewind.core.seeds import generator
from tradewind.pareto import attainment, nondominated_mask


@pytest.mark.parametrize("width", [2, 3])
def test_a_point_lies_above_the_surface_exactly_when_enough_runs_attain_it(width: int) -> None:
    rng = generator(0, "attainment", width)
    fronts = [rng.integers(0, 6, (int(rng.integers(1, 6)), width)).astype(float) for _ in range(7)]
    surfaces = attainment(fronts, levels=(10, 25, 50, 75, 100))
    for level, surface in surfaces.items():
        assert nondominated_mask(surface).all()
        for corner in itertools.product(range(-1, 7), repeat=width):
            point = np.array(corner, dtype=float)
            above = bool((surface <= point).all(axis=1).any())
            assert above == (oracles.attained_share(point, fronts) * 100 >= level - 1e-9), (level, corner)


def test_one_run_attains_its_own_front() -> None:
    front = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 3.0]])
    for surface in attainment([front]).values():
        assert surface.tolist() == [[1, 3], [2, 2]]


def test_wrong_input_is_refused_with_words() -> None:
    with pytest.raises(UsageError, match="at least one run"):
        attainment([])
    with pytest.raises(UsageError, match="at least one point"):
        attainment([[[1, 2]], np.empty((0, 2))])
    with pytest.raises(UsageError, match="2 or 3 objectives"):
        attainment([[[1, 2, 3, 4]]])
    with pytest.raises(UsageError, match="percentages"):
        attainment([[[1, 2]]], levels=(0,))
