from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from tests.pareto import oracles
from tests.pareto.test_dominance import points

from tradewind.core import UsageError
from tradewind.core.seeds import generator
from tradewind.pareto import (
    epsilon_additive,
    epsilon_multiplicative,
    hypervolume,
    igd_plus,
    normalise,
    reference_point,
)


@given(points(max_size=8))
def test_hypervolume_is_that_of_inclusion_and_exclusion(array: np.ndarray) -> None:
    for corner in (5.0, 1.0):
        reference = np.full(array.shape[1], corner)
        assert hypervolume(array, reference) == pytest.approx(oracles.hypervolume(array, reference), abs=1e-6)


@pytest.mark.parametrize("width", [2, 3, 5])
def test_hypervolume_agrees_with_sampling(width: int) -> None:
    rng = generator(0, "volume", width)
    array = rng.random((30, width))
    draws = rng.random((20_000, width))
    share = np.mean([(array <= draw).all(axis=1).any() for draw in draws])
    assert hypervolume(array, np.ones(width)) == pytest.approx(share, abs=0.02)


def test_distances_are_those_of_the_definitions() -> None:
    for seed in range(20):
        rng = generator(seed, "distances")
        array, target = rng.random((7, 3)) + 0.1, rng.random((5, 3)) + 0.1
        assert igd_plus(array, target) == pytest.approx(oracles.igd_plus(array, target))
        assert epsilon_additive(array, target) == pytest.approx(oracles.epsilon_additive(array, target))
        assert epsilon_multiplicative(array, target) == pytest.approx(oracles.epsilon_multiplicative(array, target))


def test_igd_plus_and_hypervolume_agree_with_pymoo() -> None:
    theirs = pytest.importorskip("pymoo.indicators.igd_plus")
    volume = pytest.importorskip("pymoo.indicators.hv")
    rng = generator(3, "pymoo")
    array, target = rng.random((9, 3)), rng.random((6, 3))
    assert igd_plus(array, target) == pytest.approx(theirs.IGDPlus(target)(array))
    assert hypervolume(array, [1, 1, 1]) == pytest.approx(volume.HV(ref_point=np.ones(3))(array))


def test_no_points_are_the_worst_set() -> None:
    empty, target = np.empty((0, 2)), np.ones((1, 2))
    assert hypervolume(empty, [1, 1]) == 0
    assert [f(empty, target) for f in (igd_plus, epsilon_additive, epsilon_multiplicative)] == [np.inf] * 3


def test_reference_point_follows_its_rule() -> None:
    assert reference_point([[0, 20], [10, 0]]).tolist() == [11, 22]
    assert reference_point([[5, 0], [5, 0], [9, 0]]).tolist() == [5.5, 1.0]
    assert reference_point([[-5.0], [-3.0]]).tolist() == [-4.5]
    with pytest.raises(UsageError, match="at least one point"):
        reference_point(np.empty((0, 2)))


def test_wrong_input_is_refused_with_words() -> None:
    with pytest.raises(UsageError, match="2 finite numbers"):
        hypervolume([[1, 2]], [3])
    with pytest.raises(UsageError, match="2 finite numbers"):
        hypervolume([[1, 2]], [3, np.inf])
    with pytest.raises(UsageError, match="positive"):
        epsilon_multiplicative([[0, 1]], [[1, 1]])
    with pytest.raises(UsageError, match="2 objectives"):
        igd_plus([[1, 2]], [[1, 2, 3]])
    with pytest.raises(UsageError, match="below nadir"):
        normalise([[1, 2]], [0, 0], [1, 0])


def test_normalise_maps_ideal_to_zero_and_nadir_to_one() -> None:
    ideal, nadir = np.array([2.0, -1.0]), np.array([4.0, 3.0])
    assert normalise([ideal, nadir, [6.0, 1.0]], ideal, nadir).tolist() == [[0, 0], [1, 1], [2, 0.5]]
