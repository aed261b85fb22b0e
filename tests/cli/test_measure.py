from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tradewind

from tradewind.core import Measurement
from tradewind.evaluators.device import DeviceEvaluator
from tradewind.predictors.calibration import Calibration

TINY = {"d_model": 64, "n_head": [2], "d_inner": [128]}
SMALL = ("--set", "vocab_size=512", "--set", "context=64", "--length", 16)


@pytest.mark.xdist_group("machine")
def test_one_architecture_is_measured(tradewind: Tradewind) -> None:
    Path("a.json").write_text(json.dumps(TINY))
    said = tradewind("measure", "--space", "gpt2", "--arch", "a.json", "--device", "cpu", *SMALL, "--json")
    assert said.status == 0
    found = {name: Measurement.from_dict(m) for name, m in said.json["measurements"].items()}
    assert set(found) == {"latency_ms@cpu", "decode_latency_ms@cpu", "peak_memory_mb@cpu"}
    assert all(m.ok and m.value > 0 for m in found.values())
    latency = found["latency_ms@cpu"]
    assert (latency.unit, latency.device, latency.details["seq_len"], latency.details["threads"]) == (
        "ms",
        "cpu",
        16,
        1,
    )
    assert latency.n > 1


@pytest.mark.xdist_group("machine")
def test_what_cannot_be_measured_says_why(tradewind: Tradewind) -> None:
    Path("a.json").write_text(json.dumps(TINY))
    said = tradewind("measure", "--arch", "a.json", *SMALL, "--objectives", "latency_ms", "--memory-limit", 1)
    assert said.status == 1
    assert "not measured: latency_ms@cpu: oom: " in said.err
    said = tradewind("measure", "--arch", "a.json", *SMALL, "--objectives", "perplexity")
    assert (said.status, "nothing here evaluates perplexity" in said.err) == (2, True)


def test_measurements_are_a_table_and_a_reason_is_told_once(
    tradewind: Tradewind, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "oom: an allocation was refused [enforce fail]"

    def evaluate(self: DeviceEvaluator, candidates: Sequence[Any]) -> list[dict[str, Measurement]]:
        good = Measurement.of(1.25, "ms", spread=0.5, n=9, method="median wall time", device="cpu")
        names = ("decode_latency_ms@cpu", "peak_memory_mb@cpu")
        return [{"latency_ms@cpu": good, **{name: Measurement.failed(reason, "MB", method="none") for name in names}}]

    monkeypatch.setattr(DeviceEvaluator, "evaluate", evaluate)
    Path("a.json").write_text(json.dumps(TINY))
    said = tradewind("measure", "--arch", "a.json", *SMALL)
    assert [line.split() for line in said.out.splitlines()] == [
        ["quantity", "value", "unit", "spread", "n", "method", "reason"],
        ["latency_ms@cpu", "1.25", "ms", "0.5", "9", "median", "wall", "time"],
        ["decode_latency_ms@cpu", "MB", "none", "oom"],
        ["peak_memory_mb@cpu", "MB", "none", "oom"],
    ]
    assert said.err == f"tradewind: not measured: decode_latency_ms@cpu, peak_memory_mb@cpu: {reason}\n"


@pytest.mark.xdist_group("machine")
def test_calibrate_then_search_exactly_on_the_calibrated_device(tradewind: Tradewind) -> None:
    narrow = ("--set", "n_layer=2..3", "--set", "d_model=128,192", "--set", "d_inner=256..512", "--set", "n_head=2,4")
    words = ("calibrate", "--space", "gpt2", *SMALL, *narrow, "--objectives", "latency_ms,peak_memory_mb")
    said = tradewind(*words, "--measurements", 8, "--out", "devices/laptop.json", "--json")
    assert said.status == 0
    assert {row["quantity"] for row in said.json["quality"]} == {"latency_ms", "peak_memory_mb"}
    calibration = Calibration.load("devices/laptop.json")
    assert len(calibration.measurements) == 8
    search = ("search", "--device", "devices/laptop.json", "--algorithm", "exact", "--no-baseline", *SMALL, *narrow)
    said = tradewind(*search, "--objectives", "decoder_params,latency_ms", "--budget", 30, "--out", "runs/a", "--json")
    assert said.status == 0
    assert all(row["measurements"]["latency_ms@laptop"]["predicted"] for row in said.json["frontier"])
    said = tradewind("calibrate", "--out", "devices/laptop.txt")
    assert (said.status, "must end in .json" in said.err) == (2, True)


def test_calibrate_refuses_what_no_device_has_before_it_measures(tradewind: Tradewind) -> None:
    said = tradewind("calibrate", "--objectives", "latency_ms,decoder_params", "--out", "devices/laptop.json")
    assert said.status == 2
    assert "decoder_params is no cost that a device is calibrated for (those that are: latency_ms" in said.err
    assert not Path("devices").exists()


def test_a_workload_beyond_the_learned_positions_is_wrong_use(tradewind: Tradewind) -> None:
    Path("a.json").write_text(json.dumps(TINY))
    said = tradewind("measure", "--arch", "a.json", *SMALL[:4], "--length", 65)
    assert said.status == 2
    assert "latency_ms takes 65 positions and these architectures have learned 64; shorten the workload (--length)" in (
        said.err
    )


@pytest.mark.parametrize("name", ["a100", "H100", "cpu_xeon_gold"])
def test_calibrate_leaves_published_devices_their_names(tradewind: Tradewind, name: str) -> None:
    said = tradewind("calibrate", "--out", f"devices/{name}.json")
    assert said.status == 2
    assert f"{name} is a device with published measurements; give yours another name" in said.err
    assert not Path("devices").exists()
