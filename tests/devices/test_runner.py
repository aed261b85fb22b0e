"""From candidate to measurements: every failure as a measurement, every number checked, one at a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE

from tradewind import devices
from tradewind.core import Measurement, UsageError, Workload
from tradewind.devices import Runner, Timing
from tradewind.devices.isolation import Worker
from tradewind.devices.lock import MeasuringLock

BOTH = ["latency_ms", "peak_memory_mb"]


@pytest.fixture
def runner(misbehaving: Callable[..., Worker], tmp_path: Path) -> Iterator[Runner]:
    with Runner(
        "cpu", worker=misbehaving(), lock=MeasuringLock(tmp_path / "lock"), time_limit_s=PATIENCE, memory_limit_mb=300
    ) as made:
        yield made


def answer(**readings: dict[str, Any]) -> dict[str, Any]:
    return {"readings": readings, "facts": {"build_s": 0.5}}


def test_a_measurement_says_how_it_came_about(runner: Runner, misfit: Callable[..., Any]) -> None:
    reply = answer(
        latency_ms={"value": 2.5, "spread": 0.1, "n": 7, "method": "median wall time", "details": {"block": 4}}
    )
    found = runner.measure(misfit(do="answer", **{"with": reply}), ["latency_ms"])["latency_ms"]
    assert (found.value, found.unit, found.spread, found.n) == (2.5, "ms", 0.1, 7)
    assert (found.method, found.device, found.predicted) == ("median wall time", "cpu", False)
    assert found.details["block"] == 4
    assert found.details["build_s"] == 0.5
    for name, value in {**Workload().to_dict(), "threads": 1}.items():
        assert found.details[name] == value
    assert {"processor", "torch"} <= set(found.details)
    assert Measurement.from_dict(found.to_dict()) == found


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"do": "segfault"}, "crash: signal SIGSEGV"),
        ({"do": "raise"}, "error: ValueError: a bad candidate"),
        ({"do": "garbage"}, "protocol: "),
        ({"do": "allocate", "megabytes": 400, "then": 3600}, "oom: "),
        ({"do": "answer", "with": {}}, "protocol: readings: Field required"),
        ({"do": "answer", "with": [1]}, "protocol: answer: "),
        ({"do": "answer", "with": answer()}, "protocol: the answer has no reading of latency_ms"),
        ({"do": "answer", "with": answer(latency_ms={})}, "protocol: the reading of latency_ms must have either"),
        (
            {"do": "answer", "with": answer(latency_ms={"value": 1.0, "failed": "error: x"})},
            "protocol: the reading of latency_ms must have either",
        ),
        ({"do": "answer", "with": answer(latency_ms={"value": "1.0"})}, "protocol: readings.latency_ms.value: "),
        ({"do": "answer", "with": answer(latency_ms={"value": 1.0, "n": 0})}, "protocol: readings.latency_ms.n: "),
        ({"do": "answer", "with": answer(latency_ms={"value": 1.0, "x": 0})}, "protocol: readings.latency_ms.x: "),
    ],
)
def test_a_failure_fails_every_quantity_that_was_asked(
    runner: Runner, misfit: Callable[..., Any], order: dict[str, Any], reason: str
) -> None:
    found = runner.measure(misfit(**order), BOTH)
    assert list(found) == BOTH
    for measurement in found.values():
        assert (measurement.status, measurement.value) == ("failed", None)
        assert measurement.reason.startswith(reason)
    if reason.startswith("oom"):
        assert found["latency_ms"].details["limit_mb"] == 300
        assert found["latency_ms"].details["peak_mb"] > 300


def test_one_reading_can_fail_alone(runner: Runner, misfit: Callable[..., Any]) -> None:
    reply = answer(latency_ms={"value": 2.5}, peak_memory_mb={"failed": "error: ValueError: no"})
    found = runner.measure(misfit(do="answer", **{"with": reply}), BOTH)
    assert found["latency_ms"].ok
    assert found["peak_memory_mb"].reason == "error: ValueError: no"


@pytest.mark.parametrize(("value", "reason"), [(0.0, "zero: 0 ms"), (-1.5, "negative: -1.5 ms")])
def test_a_number_that_cannot_be_is_kept_as_invalid(
    runner: Runner, misfit: Callable[..., Any], value: float, reason: str
) -> None:
    reply = answer(latency_ms={"value": value, "spread": 0.0})
    found = runner.measure(misfit(do="answer", **{"with": reply}), ["latency_ms"])["latency_ms"]
    assert (found.status, found.value) == ("invalid", None)
    assert found.reason.startswith(reason)


def test_no_counter_no_energy(runner: Runner, misfit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradewind.devices.energy.POWERCAP", Path("/nowhere"))
    monkeypatch.setattr("tradewind.devices.energy.missing", lambda device: "no energy counter on this device")
    reply = answer(latency_ms={"value": 2.5})
    found = runner.measure(misfit(do="answer", **{"with": reply}), ["energy_wh", "latency_ms"])
    assert list(found) == ["energy_wh", "latency_ms"]
    assert found["energy_wh"].reason == "unsupported: no energy counter on this device"
    assert found["energy_wh"].unit == "Wh"
    assert found["latency_ms"].ok
    assert runner.measure(misfit(do="hang"), ["energy_wh"])["energy_wh"].status == "failed"


def test_two_runners_serialise(misbehaving: Callable[..., Worker], tmp_path: Path) -> None:
    """Each trial writes when it began and ended; no two may overlap, though two processes measure at once."""
    log, lock = tmp_path / "log", tmp_path / "lock"
    code = f"""
from pathlib import Path
from tradewind.devices import Runner
from tradewind.devices.isolation import Worker
from tradewind.devices.lock import MeasuringLock
class Candidate:
    def to_dict(self):
        return {{"do": "log", "file": {str(log)!r}, "seconds": 0.1}}
with Runner("cpu", worker=Worker(module="misbehaving"), lock=MeasuringLock(Path({str(lock)!r}))) as runner:
    for _ in range(3):
        runner.measure(Candidate(), ["latency_ms"])
"""
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(PATIENCE) for process in running] == [0, 0]
    events = log.read_text().split()
    assert events == ["begin", "end"] * 6


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="time_limit_s is 0"):
        Runner("cpu", time_limit_s=0)
    with pytest.raises(UsageError, match="memory_limit_mb is -5"):
        Runner("cpu", memory_limit_mb=-5)
    with pytest.raises(UsageError, match="memory_limit_mb is 0"):
        Runner("cpu", memory_limit_mb=0)
    assert Runner("cpu").memory_limit_mb > 10
    assert Runner("cpu").timing == Timing(warm_up=1)


def test_objectives_of_other_places_are_refused() -> None:
    cpu = devices.get("cpu")
    assert [o.name for o in devices.on_device("latency_ms,energy_wh@cpu", cpu)] == ["latency_ms@cpu", "energy_wh@cpu"]
    with pytest.raises(UsageError, match=r"perplexity is not measured on a device .*latency_ms"):
        devices.on_device("perplexity", cpu)
    with pytest.raises(UsageError, match="latency_ms@cuda:0 is not measured on cpu"):
        devices.on_device("latency_ms@cuda:0", cpu)
