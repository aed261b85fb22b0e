"""Hurdles: the published schedule, the share that passes, and bars that look back a window."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from tradewind.core import UsageError
from tradewind.evaluators.hurdles import LEAST_KNOWN, Hurdles, marks


def test_the_published_schedule() -> None:
    """H = 4 and T = 25,200 s (Primer, appendix A.3): cumulative and band seconds."""
    found = marks(25_200, 4)
    assert np.round(found, 1).tolist() == [812.9, 2438.7, 5690.3, 12193.5, 25200.0]
    assert np.round(np.diff([0, *found]), 1).tolist() == [812.9, 1625.8, 3251.6, 6503.2, 13006.5]
    assert marks(310, 4) == [10, 30, 70, 150, 310]
    assert marks(7, 0) == [7]


@pytest.mark.parametrize("hurdles", range(6))
def test_every_band_costs_the_same_where_half_pass(hurdles: int) -> None:
    bands = np.diff([0.0, *marks(1.0, hurdles)])
    shares = 0.5 ** np.arange(hurdles + 1)
    assert np.allclose(bands * shares, bands[0])


def test_half_of_a_stream_passes_each_hurdle() -> None:
    """Independent losses: the running median lets half through, whatever order they come in."""
    rng, bars, passed = np.random.default_rng(0), Hurdles(2, window=200), [0, 0]
    total = 4000
    for _ in range(total):
        losses = rng.normal(size=2)
        limits = bars.limits()
        reached = [losses[0]]
        if limits[0] is None or losses[0] <= limits[0]:
            passed[0] += 1
            reached.append(losses[1])
            passed[1] += limits[1] is None or losses[1] <= limits[1]
        bars.add(reached)
    assert abs(passed[0] / total - 0.5) < 0.03
    assert abs(passed[1] / passed[0] - 0.5) < 0.04


def test_the_bar_is_the_median_of_the_window() -> None:
    bars, seen = Hurdles(1, window=7), []
    for value in np.random.default_rng(1).normal(size=30).tolist():
        expected = statistics.median(seen[-7:]) if len(seen) >= LEAST_KNOWN else None
        assert bars.limits() == [expected, None]
        bars.add([value])
        seen.append(value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: marks(0, 2), "budget of an individual is 0"),
        (lambda: marks(float("inf"), 2), "must be above 0"),
        (lambda: marks(10, 17), "0 to 16"),
        (lambda: Hurdles(1, 4), "at least 5"),
    ],
)
def test_errors_teach(call, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()
