from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.pareto import oracles

from tradewind.core import Objective, UsageError
from tradewind.core.seeds import generator
from tradewind.pareto import crowding_distance, nondominated_mask, nondominated_rank, oriented


def points(min_size: int = 0, max_size: int = 12) -> st.SearchStrategy[np.ndarray]:
    """Small whole numbers, so that ties and copies are common."""
    shapes = st.tuples(st.integers(min_size, max_size), st.integers(1, 5))
    return shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=st.integers(-4, 4).map(float)))


@given(points())
def test_mask_and_rank_are_those_of_the_definition(array: np.ndarray) -> None:
    assert nondominated_mask(array).tolist() == oracles.nondominated(array)
    assert nondominated_rank(array).tolist() == oracles.ranks(array)


@pytest.mark.parametrize("width", [2, 3, 4, 6])
def test_mask_on_many_points(width: int) -> None:
    array = generator(0, "mask", width).random((300, width)).round(2)
    assert nondominated_mask(array).tolist() == oracles.nondominated(array)


def test_infinite_values_are_ordered_but_nan_is_refused() -> None:
    assert nondominated_mask([[1, np.inf], [1, 3], [-np.inf, 9]]).tolist() == [False, True, True]
    with pytest.raises(UsageError, match="point 1 holds NaN"):
        nondominated_mask([[1, 2], [np.nan, 1]])
    with pytest.raises(UsageError, match=r"shape \(3,\)"):
        nondominated_rank([1, 2, 3])


def test_crowding_distance_agrees_with_pymoo() -> None:
    crowding = pytest.importorskip("pymoo.operators.survival.rank_and_crowding.metrics")
    for width in (2, 3, 4):
        array = generator(0, "crowding", width).random((40, width))
        theirs = crowding.calc_crowding_distance(array)
        np.testing.assert_allclose(crowding_distance(array) / width, theirs, rtol=1e-12)


def test_rank_agrees_with_pymoo() -> None:
    sorting = pytest.importorskip("pymoo.util.nds.non_dominated_sorting")
    array = generator(1, "rank").random((200, 3)).round(1)
    for rank, members in enumerate(sorting.NonDominatedSorting().do(array)):
        assert set(np.flatnonzero(nondominated_rank(array) == rank)) == set(members)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_points_are_all_extremes(count: int) -> None:
    assert crowding_distance(np.zeros((count, 2))).tolist() == [np.inf] * count


def test_a_column_without_range_counts_nothing() -> None:
    assert crowding_distance([[0, 7], [1, 7], [3, 7], [4, 7]]).tolist() == [np.inf, 0.75, 0.75, np.inf]


def test_oriented_turns_maximised_columns_and_is_its_own_inverse() -> None:
    objectives = [Objective("decoder_params"), Objective("latency_ms", "cpu")]
    values = np.array([[3.0, 4.0], [5.0, 6.0]])
    assert oriented(values, objectives).tolist() == [[-3.0, 4.0], [-5.0, 6.0]]
    assert oriented(oriented(values, objectives), objectives).tolist() == values.tolist()
    assert oriented([], objectives).shape == (0, 2)
    with pytest.raises(UsageError, match="2 objectives"):
        oriented([[1.0]], objectives)
