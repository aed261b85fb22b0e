"""The timer under a clock that the tests turn: when it stops, what it reports."""

from __future__ import annotations

import gc
import itertools
import math
import time
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import UsageError
from tradewind.devices import Timing
from tradewind.devices.timing import Samples, iqr, relative_half_width, time_calls


class World:
    """A clock that moves only when the call runs, by the next of some durations in seconds."""

    def __init__(self, durations: Iterable[float]) -> None:
        self.now = 0
        self.calls = 0
        self._durations = iter(durations)

    def call(self) -> None:
        self.calls += 1
        self.now += round(next(self._durations) * 1e9)

    def clock(self) -> int:
        return self.now

    def time(self, **settings: float) -> Samples:
        return time_calls(self.call, Timing(**settings), clock=self.clock)


def test_constant_calls_stop_at_the_least_number_of_repeats() -> None:
    world = World(itertools.repeat(0.1))
    samples = world.time(warm_up=3, min_repeats=4)
    assert (samples.seconds, samples.block, samples.stable) == ((0.1,) * 4, 1, True)
    assert world.calls == 3 + 4


def test_warm_up_is_not_counted() -> None:
    samples = World(itertools.chain([9.0, 5.0], itertools.repeat(0.1))).time(warm_up=2)
    assert samples.median == 0.1
    assert max(samples.seconds) == 0.1


def test_noise_is_repeated_until_the_median_is_known() -> None:
    noise = np.random.default_rng(0).normal(1.0, 0.05, 10_000)
    samples = World(noise).time(target_spread=0.01, max_seconds=1e6, max_repeats=1000)
    assert samples.stable
    assert samples.half_width <= 0.01
    assert 20 < len(samples.seconds) < 300
    before = samples.seconds[:-1]
    assert relative_half_width(before) > 0.01, "it must stop at the first sample that is enough"


def test_time_is_up_before_the_median_is_known() -> None:
    samples = World(itertools.cycle([0.1, 0.3])).time(max_seconds=2.05, target_spread=0.001)
    assert not samples.stable
    assert sum(samples.seconds) == pytest.approx(2.2, abs=0.2)


def test_repeats_are_capped() -> None:
    samples = World(itertools.cycle([0.1, 0.3])).time(max_seconds=1e9, target_spread=0.0, max_repeats=17)
    assert (len(samples.seconds), samples.stable) == (17, False)


def test_long_calls_still_get_the_least_number_of_repeats() -> None:
    assert len(World(itertools.repeat(100.0)).time(max_seconds=1.0, min_repeats=5).seconds) == 5


def test_short_calls_are_timed_in_blocks() -> None:
    world = World(itertools.repeat(1e-5))
    samples = world.time(block_seconds=0.005, warm_up=1, min_repeats=5)
    assert samples.block == 500
    assert samples.median == pytest.approx(1e-5)
    assert world.calls == 1 + 5 * 500


def test_a_clock_too_coarse_for_one_call_does_not_divide_by_zero() -> None:
    ticks = itertools.chain([0.0], itertools.repeat(1e-3))
    assert World(ticks).time(warm_up=1, block_seconds=1e-6, min_repeats=3).block == 1000


def test_the_accelerator_is_waited_for_before_every_reading_of_the_clock() -> None:
    log: list[str] = []
    clock = itertools.count(0, 10**8)

    def read() -> int:
        log.append("clock")
        return next(clock)

    time_calls(
        lambda: log.append("call"),
        Timing(warm_up=1, min_repeats=2, max_repeats=2, block_seconds=0),
        synchronise=lambda: log.append("wait"),
        clock=read,
    )
    assert log == ["wait", "clock", "call", "wait", "clock"] * 3


def test_garbage_is_not_collected_meanwhile_and_is_afterwards() -> None:
    seen = []
    time_calls(lambda: seen.append(gc.isenabled()), Timing())
    assert not any(seen)
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        time_calls(lambda: 1 / 0, Timing())
    assert gc.isenabled()


def test_the_clock_is_monotonic_in_nanoseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: pytest.fail("the wall clock was read"))
    samples = time_calls(lambda: sum(range(1000)), Timing(max_seconds=0.05))
    assert min(samples.seconds) > 0


@given(
    st.lists(st.floats(1e-6, 1e3), min_size=200, max_size=200),
    st.integers(1, 3),
    st.integers(1, 10),
    st.integers(0, 20),
    st.floats(0, 0.1),
    st.floats(0, 50),
)
def test_the_rules_hold_whatever_the_durations(
    durations: list[float], warm_up: int, least: int, more: int, target: float, cap: float
) -> None:
    world = World(itertools.cycle(durations))
    timing = Timing(
        warm_up=warm_up,
        min_repeats=least,
        max_repeats=least + more,
        target_spread=target,
        max_seconds=cap,
        block_seconds=0,
    )
    samples = time_calls(world.call, timing, clock=world.clock)
    n = len(samples.seconds)
    assert samples.seconds == pytest.approx(durations[warm_up : warm_up + n], rel=1e-9, abs=1e-9)
    assert least <= n <= least + more
    assert samples.stable == (samples.half_width <= target)
    assert samples.stable or n == least + more or sum(samples.seconds) >= cap - 1e-6
    assert min(samples.seconds) <= samples.median <= max(samples.seconds)


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=50))
def test_quartiles_are_those_of_numpy(samples: list[float]) -> None:
    low, high = np.quantile(samples, [0.25, 0.75])
    assert iqr(samples) == pytest.approx(high - low, abs=1e-9)


def test_the_half_width_holds_the_true_median_nine_times_in_ten() -> None:
    rng = np.random.default_rng(1)
    draws = rng.normal(1.0, 0.1, (2000, 25))
    inside = [abs(np.median(row) - 1.0) <= relative_half_width(row.tolist()) * np.median(row) for row in draws]
    assert 0.85 < np.mean(inside) < 0.95


def test_too_few_samples_know_nothing() -> None:
    assert relative_half_width([1.0, 1.0]) == math.inf
    assert relative_half_width([0.0, 0.0, 0.0]) == math.inf


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warm_up": 0}, "warm_up is 0"),
        ({"min_repeats": 0}, "min_repeats is 0"),
        ({"min_repeats": 5, "max_repeats": 4}, "max_repeats 4 is below min_repeats 5"),
        ({"target_spread": -0.1}, "target_spread is -0.1"),
        ({"max_seconds": math.inf}, "max_seconds is inf"),
        ({"block_seconds": math.nan}, "block_seconds is nan"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Timing(**settings)


def test_settings_survive_as_plain_data() -> None:
    timing = Timing(warm_up=3, target_spread=0.05)
    assert Timing(**timing.to_dict()) == timing
