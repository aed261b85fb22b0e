"""`tradewind calibrate` on a device that answers at once, and `measure` on what it made."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tradewind
from tests.search.toy import ToyDevice

from tradewind.core import Architecture, Measurement, Measurements, Objective, Workload
from tradewind.evaluators import device as evaluators_device
from tradewind.predictors.calibration import Calibration

CALIBRATE = ("calibrate", "--objectives", "latency_ms,peak_memory_mb", "--out", "devices/laptop.json")


class AtOnce(ToyDevice):
    """A toy in the place of this machine, which runs out of memory on nearly everything."""

    __signature__ = inspect.signature(evaluators_device.DeviceEvaluator)
    deterministic = False

    def __init__(self, objectives: Sequence[Objective], **_: Any) -> None:
        super().__init__(objectives, 0.01)
        self._left = 2

    def describe(self) -> dict[str, Any]:
        return {"name": "at once"}

    def close(self) -> None:
        pass

    def evaluate(self, candidates: Sequence[Architecture]) -> list[Measurements]:
        rows = []
        for row in super().evaluate(candidates):
            self._left -= 1
            bad = {} if self._left >= 0 else {"peak_memory_mb@cpu": Measurement.failed("oom: 9 GB", "MB")}
            rows.append({**row, **bad})
        return rows


@pytest.fixture
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluators_device, "DeviceEvaluator", AtOnce)


@pytest.mark.usefixtures("_toy")
def test_what_is_not_calibrated_and_what_is_in_doubt_is_said(tradewind: Tradewind) -> None:
    said = tradewind(*CALIBRATE, "--measurements", 8)
    assert said.status == 0, said.err
    assert "peak_memory_mb is not calibrated: 2 of 8 measurements gave a value and 3 are needed (oom: 9 GB)" in said.err
    assert "latency_ms: 8 measurements are too few for a 90% interval" in said.err
    assert all(title in said.out for title in ("tau", "median error", "p90 error", "±90%"))
    assert "ms / layer" in said.out
    found = tradewind(*CALIBRATE, "--measurements", 8, "--json").json
    assert len(found["doubts"]) == 2
    assert list(Calibration.load("devices/laptop.json").models) == ["latency_ms"]


@pytest.mark.usefixtures("_toy")
def test_the_command_that_it_tells_runs_and_doubts_go_along(tradewind: Tradewind) -> None:
    narrow = ("--set", "n_layer=2..3", "--set", "d_model=128,192", "--length", 32, "--logits", "last")
    said = tradewind(*CALIBRATE, *narrow, "--measurements", 8)
    command = shlex.split(said.err.partition("Use it: tradewind ")[2])
    assert "--length" in command
    searched = tradewind(*command, "--budget", 4)
    assert searched.status == 0, searched.err
    assert "laptop: latency_ms: 8 measurements are too few for a 90% interval" in searched.err
    assert "not calibrated for all that is searched" not in searched.err
    wider = [word.replace("n_layer=2..3", "n_layer=2..6") for word in command[:-1]]
    beyond = tradewind(*wider, "runs/beyond", "--budget", 4)
    assert "laptop: it was not calibrated for all that is searched: n_layer 2..6 (2..3);" in beyond.err
    assert "n_layer 2..6 (2..3)" in tradewind("report", "runs/beyond").out


@pytest.mark.usefixtures("_toy")
def test_a_calibrated_device_is_measured_by_its_file_and_not_calibrated_again(tradewind: Tradewind) -> None:
    assert tradewind(*CALIBRATE, "--measurements", 8).status == 0
    Path("a.json").write_text(json.dumps({"d_model": 64, "n_head": [2], "d_inner": [128]}))
    words = ("measure", "--arch", "a.json", "--objectives", "latency_ms", "--json")
    found = tradewind(*words, "--device", "devices/laptop.json").json["measurements"]["latency_ms@laptop"]
    arch = Architecture.from_dict(json.loads(Path("a.json").read_text()) | {"family": "gpt2"})
    model = Calibration.load("devices/laptop.json").model("latency_ms")
    assert model.workload == Workload()
    assert found["predicted"] is True
    assert found["value"] == pytest.approx(model.predict([arch])[0])
    for wrong in (("--device", "laptop"), ("--device", "devices/laptop.json"), ("--objectives", "latency_ms@laptop")):
        said = tradewind("calibrate", "--out", "devices/second.json", *wrong)
        assert (said.status, "cannot be measured here; calibrate cpu, cuda or cuda:N" in said.err) == (2, True)
