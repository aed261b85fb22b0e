from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from tests.pareto.test_dominance import points

from tradewind.core import UsageError
from tradewind.core.seeds import generator
from tradewind.pareto import Archive, nondominated_mask


@given(points())
def test_the_front_after_every_addition_is_that_of_all_points_so_far(array: np.ndarray) -> None:
    archive = Archive(array.shape[1])
    for count, point in enumerate(array, start=1):
        joined = archive.add(point)
        front = np.flatnonzero(nondominated_mask(array[:count]))
        assert archive.indices.tolist() == front.tolist()
        assert joined == (count - 1 in front)
        assert len(archive) == len(front)
    assert np.array_equal(archive.points, array[archive.indices])


def test_a_long_stream_with_a_large_front() -> None:
    array = generator(0, "archive").random((3000, 4))
    archive = Archive(4)
    for point in array:
        archive.add(point)
    assert len(archive) > 64
    assert archive.indices.tolist() == np.flatnonzero(nondominated_mask(array)).tolist()


def test_wrong_points_are_refused_and_not_counted() -> None:
    archive = Archive(2)
    for bad in ((1.0,), (1.0, 2.0, 3.0), (np.nan, 1.0)):
        with pytest.raises(UsageError):
            archive.add(bad)
    archive.add((1.0, 2.0))
    assert archive.indices.tolist() == [0]
    with pytest.raises(UsageError, match="at least one objective"):
        Archive(0)
