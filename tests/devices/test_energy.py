"""Energy through a stand-in for zeus: this machine may have no counter, and then there must be no number."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tradewind.core import DeviceError
from tradewind.devices import energy


class Counter:
    """A ZeusMonitor whose package and memory use some joules a call."""

    def __init__(self, joules: float) -> None:
        self.joules = joules
        self.calls = 0
        self.made_for: dict[str, Any] = {}

    def __call__(self, **kwargs: Any) -> Counter:
        self.made_for = kwargs
        return self

    def begin_window(self, key: str) -> None:
        self.calls = 0

    def end_window(self, key: str) -> SimpleNamespace:
        spent = self.calls * self.joules
        if self.made_for["gpu_indices"]:
            return SimpleNamespace(gpu_energy={1: spent}, cpu_energy=None, dram_energy=None)
        return SimpleNamespace(gpu_energy={}, cpu_energy={0: spent / 2, 1: spent / 4}, dram_energy={0: spent / 4})

    def work(self) -> None:
        self.calls += 1


def install(monkeypatch: pytest.MonkeyPatch, counter: Counter) -> None:
    monitor = ModuleType("zeus.monitor")
    monitor.ZeusMonitor = counter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zeus", ModuleType("zeus"))
    monkeypatch.setitem(sys.modules, "zeus.monitor", monitor)


def clock(step: float) -> Any:
    ticks = itertools.count()
    return lambda: next(ticks) * step


@pytest.mark.parametrize(("device", "gpus", "cpus"), [("cpu", [], None), ("cuda:1", [1], []), ("cuda", [0], [])])
def test_watt_hours_of_one_call(monkeypatch: pytest.MonkeyPatch, device: str, gpus: list, cpus: list | None) -> None:
    counter = Counter(joules=36.0)
    install(monkeypatch, counter)
    windows, calls = energy.energy_wh(counter.work, device, clock(0.05))
    assert windows == pytest.approx([0.01] * 3)
    assert calls == 10, "half a second of calls of 0.05 s"
    assert counter.made_for == {"gpu_indices": gpus, "cpu_indices": cpus}


@pytest.mark.parametrize("joules", [0.0, -1.0])
def test_a_counter_that_stands_still_or_wraps_gives_no_number(monkeypatch: pytest.MonkeyPatch, joules: float) -> None:
    counter = Counter(joules)
    install(monkeypatch, counter)
    with pytest.raises(DeviceError, match="did not move"):
        energy.energy_wh(counter.work, "cpu", clock(0.5))


def test_why_there_is_no_energy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert energy.missing("cpu", tmp_path) == "no energy counter on this device"
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "energy_uj").write_text("123\n")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'tradewind[energy]'" in energy.missing("cpu", tmp_path)
    assert "pip install 'tradewind[energy]'" in energy.missing("cuda:0", tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert energy.missing("cpu", tmp_path) == ""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "may not be read by this user" in energy.missing("cpu", tmp_path)
