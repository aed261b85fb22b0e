from __future__ import annotations

import itertools

import numpy as np
import pytest

from tradewind import spaces
from tradewind.core import UsageError, Workload
from tradewind.predictors.design import corners, d_optimal, design, pool_of

WIDTHS = {"gpt2": (128, 960), "transformer-xl": (128, 960), "hwgpt-l": (320, 1280)}


def information(rows: np.ndarray, picks: list[int]) -> float:
    part = rows[picks]
    return float(np.linalg.det(part.T @ part))


def test_greedy_design_is_near_the_best_of_all_subsets() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows = np.column_stack([np.ones(12), rng.normal(size=(12, 2))])
        best = max(information(rows, list(picks)) for picks in itertools.combinations(range(12), 5))
        assert information(rows, d_optimal(rows, 5)) > 0.7 * best


def test_design_carries_more_information_than_random_picks() -> None:
    rng = np.random.default_rng(1)
    rows = np.column_stack([np.ones(300), rng.uniform(1, 10, size=(300, 4))])
    random = [information(rows, list(rng.choice(300, 12, replace=False))) for _ in range(50)]
    assert information(rows, d_optimal(rows, 12)) > max(random)


def test_design_is_distinct_unit_free_and_starts_with_what_was_chosen() -> None:
    rng = np.random.default_rng(2)
    rows = rng.uniform(1, 2, size=(30, 3))
    picks = d_optimal(rows, 10, chosen=(4, 7))
    assert picks[:2] == [4, 7]
    assert len(set(picks)) == 10
    assert d_optimal(rows * np.array([1e9, 1.0, 1e-9]), 10, chosen=(4, 7)) == picks


def test_too_small_a_pool_is_refused() -> None:
    with pytest.raises(UsageError, match="the pool has 2"):
        d_optimal(np.ones((2, 1)), 3)


@pytest.mark.parametrize("name", ["gpt2", "transformer-xl", "hwgpt-l"])
def test_corners_are_members_at_the_extremes(name: str) -> None:
    space = spaces.get(name)
    found = list(corners(space))
    assert all(space.contains(arch) for arch in found)
    assert {arch.n_layer for arch in found} == {space.depths[0], space.depths[-1]}
    assert {arch.d_model for arch in found} == {min(WIDTHS[name]), max(WIDTHS[name])}


@pytest.mark.parametrize("quantity", ["latency_ms", "decode_latency_ms", "peak_memory_mb"])
def test_designs_are_reproducible_members_and_small_spaces_are_used_up(quantity: str) -> None:
    space = spaces.get("transformer-xl")
    picks = design(pool_of(space, 0), 16, 3, quantity, Workload())
    assert picks == design(pool_of(space, 0), 16, 3, quantity, Workload())
    assert picks != design(pool_of(space, 0), 16, 4, quantity, Workload())
    assert all(space.contains(arch) for arch in picks)
    tiny = spaces.get("gpt2", n_layer=2, d_model=128, d_inner=[256, 512], n_head=2)
    assert len(design(pool_of(tiny, 0), 16, 0, quantity, Workload())) == tiny.size()
