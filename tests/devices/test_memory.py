"""Peak memory against allocations of known size, through the gauges themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.waiting import PATIENCE

from tradewind.devices import memory

RESOLUTION = 2.0
linux = pytest.mark.skipif(sys.platform != "linux", reason="the high-water mark is Linux's")


def touched(megabytes: float) -> np.ndarray:
    return np.ones(int(megabytes * 1e6), dtype=np.uint8)


def fresh(script: str) -> list[float]:
    """What `script` prints, in a process of its own, as fresh as a worker; a test runner grows as it likes."""
    prelude = """
import numpy as np
from tradewind.devices import memory
touched = lambda megabytes: np.ones(int(megabytes * 1e6), dtype=np.uint8)
gauge = memory.HighWaterGauge()
"""
    run = subprocess.run(
        [sys.executable, "-c", prelude + script], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    return [float(word) for word in run.stdout.split()]


@linux
@pytest.mark.parametrize(("kept", "temporary"), [(100, 50), (20, 200), (0, 40), (150, 0)])
def test_what_stays_and_what_passes_are_told_apart(kept: int, temporary: int) -> None:
    weights, peak = fresh(f"""
weights = touched({kept})
gauge.built()
touched({temporary})
print(gauge.weights, gauge.peak(lambda: touched({temporary})))
""")
    assert weights == pytest.approx(kept, abs=RESOLUTION)
    assert peak == pytest.approx(kept + temporary, abs=RESOLUTION)


@linux
def test_an_earlier_peak_does_not_count() -> None:
    weights, peak = fresh("""
touched(400)
gauge = memory.HighWaterGauge()
touched(300)
gauge.built()
print(gauge.weights, gauge.peak(lambda: touched(30)))
""")
    assert weights == pytest.approx(0, abs=RESOLUTION)
    assert peak == pytest.approx(30, abs=RESOLUTION)


@linux
def test_many_small_blocks_count_like_a_large_one() -> None:
    (weights,) = fresh("""
blocks = [touched(0.01) for _ in range(5000)]
gauge.built()
print(gauge.weights)
""")
    assert weights == pytest.approx(50, rel=0.05)


@linux
def test_reserved_but_untouched_memory_is_not_resident() -> None:
    (weights,) = fresh("""
reserved = np.empty(500 * 10**6, dtype=np.uint8)
gauge.built()
print(gauge.weights)
""")
    assert weights == pytest.approx(0, abs=RESOLUTION)


def test_where_the_mark_cannot_be_reset_the_largest_size_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CLEAR_REFS", Path("/nowhere/clear_refs"))
    gauge = memory.gauge("cpu")
    assert isinstance(gauge, memory.MaximumGauge)
    largest = gauge.peak(lambda: None)
    kept = touched(200)
    gauge.built()
    assert gauge.weights == pytest.approx(200, abs=20)
    assert gauge.peak(lambda: touched(100)) >= max(largest, 280)
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
