"""Peak memory against allocations of known size, through the gauges themselves."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tradewind.devices import memory

RESOLUTION = 1.5


def touched(megabytes: float) -> np.ndarray:
    return np.ones(int(megabytes * 1e6), dtype=np.uint8)


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark is Linux's")
@pytest.mark.parametrize(("kept", "temporary"), [(100, 50), (20, 200), (0, 40), (150, 0)])
def test_what_stays_and_what_passes_are_told_apart(kept: int, temporary: int) -> None:
    gauge = memory.HighWaterGauge()
    weights = touched(kept)
    gauge.built()
    touched(temporary)
    peak = gauge.peak(lambda: touched(temporary))
    assert gauge.weights == pytest.approx(kept, abs=RESOLUTION)
    assert peak == pytest.approx(kept + temporary, abs=RESOLUTION)
    assert len(weights) == kept * 10**6


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark is Linux's")
def test_an_earlier_peak_does_not_count() -> None:
    touched(400)
    gauge = memory.HighWaterGauge()
    touched(300)
    gauge.built()
    assert gauge.weights == pytest.approx(0, abs=RESOLUTION)
    assert gauge.peak(lambda: touched(30)) == pytest.approx(30, abs=RESOLUTION)


@pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark is Linux's")
def test_many_small_blocks_count_like_a_large_one() -> None:
    gauge = memory.HighWaterGauge()
    blocks = [touched(0.01) for _ in range(5000)]
    gauge.built()
    assert gauge.weights == pytest.approx(50, rel=0.05)
    assert len(blocks) == 5000


def test_reserved_but_untouched_memory_is_not_resident() -> None:
    gauge = memory.HighWaterGauge()
    reserved = np.empty(500 * 10**6, dtype=np.uint8)
    gauge.built()
    assert gauge.weights == pytest.approx(0, abs=RESOLUTION)
    assert len(reserved) == 500 * 10**6


def test_where_the_mark_cannot_be_reset_the_largest_size_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CLEAR_REFS", Path("/nowhere/clear_refs"))
    gauge = memory.gauge("cpu")
    assert isinstance(gauge, memory.MaximumGauge)
    largest = gauge.peak(lambda: None)
    kept = touched(200)
    gauge.built()
    assert gauge.weights == pytest.approx(200, abs=RESOLUTION)
    assert gauge.peak(lambda: touched(100)) >= max(largest, 300 - RESOLUTION)
    assert len(kept) == 200 * 10**6


def test_the_gauge_of_a_gpu_reads_torch_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {"now": 7_000_000, "most": 0}

    def reset(_: object) -> None:
        state["most"] = state["now"]

    cuda = SimpleNamespace(
        synchronize=lambda _: None,
        empty_cache=lambda: None,
        memory_allocated=lambda _: state["now"],
        max_memory_allocated=lambda _: state["most"],
        reset_peak_memory_stats=reset,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    gauge = memory.gauge("cuda:0")
    state["now"] += 40_000_000
    gauge.built()

    def call() -> None:
        state["most"] = max(state["most"], state["now"] + 25_000_000)

    assert gauge.peak(call) == 65.0
    assert gauge.weights == 40.0
