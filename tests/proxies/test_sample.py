from __future__ import annotations

import itertools

import numpy as np
import pytest

from tradewind import spaces
from tradewind.core import UsageError
from tradewind.costs import decoder_params
from tradewind.proxies import stratified
from tradewind.proxies.experiment import noise


def test_one_architecture_in_every_equal_step_of_the_logarithm() -> None:
    space = spaces.get("gpt2")
    archs = stratified(space, 12, 1e6, 1e8, seed=3)
    edges = np.geomspace(1e6, 1e8, 13)
    for arch, (a, b) in zip(archs, itertools.pairwise(edges), strict=True):
        space.validate(arch)
        assert a <= decoder_params(arch) < b
    assert archs == stratified(space, 12, 1e6, 1e8, seed=3)
    assert archs != stratified(space, 12, 1e6, 1e8, seed=4)


@pytest.mark.parametrize(
    ("n", "low", "high", "message"),
    [(3, 10.0, 100.0, "no member of gpt2 among 20,000 has 10 to 22"), (3, 5.0, 5.0, "give n >= 1 and low < high")],
)
def test_a_step_without_members_is_told(n: int, low: float, high: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stratified(spaces.get("gpt2"), n, low, high)


def test_the_noise_floor_is_that_of_the_pairs() -> None:
    rows = [{"losses": losses} for losses in ([1.0, 1.2], [2.0], [3.0, 2.8], [None, 4.0], [0.5, 0.5])]
    found = noise(rows)
    assert found is not None
    assert found["architectures"] == 3
    assert found["spearman"] == 1.0
    assert found["median_difference"] == pytest.approx(0.2)
    assert found["deviation"] == pytest.approx((0.08 / 3 / 2) ** 0.5)
    assert noise(rows[:2]) is None
