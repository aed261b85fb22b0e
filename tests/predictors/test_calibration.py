from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from tests.search.toy import MODELS, ToyDevice

from tradewind import spaces
from tradewind.core import Evaluation, FileFormatError, Measurement, UsageError, Workload, parse_objectives
from tradewind.core.seeds import generator
from tradewind.predictors.calibration import Calibration, calibrate, device_name


def evaluations(n: int = 20, noise: float = 0.01, seed: int = 0) -> list[Evaluation]:
    device = ToyDevice(parse_objectives("latency_ms@toy,peak_memory_mb@toy"), noise)
    archs = list(spaces.get("gpt2").sample_many(n, seed))
    return [Evaluation(i, a, m) for i, (a, m) in enumerate(zip(archs, device.evaluate(archs), strict=True))]


def made(**options: object) -> Calibration:
    return calibrate("toy", evaluations(**options), spaces.get("gpt2").to_dict(), Workload(), {"device": "toy"})  # type: ignore[arg-type]


def test_the_file_gives_back_the_calibration_and_its_predictions(tmp_path: Path) -> None:
    calibration = made()
    again = Calibration.load(calibration.save(tmp_path / "laptop.json"))
    assert again.name == "laptop"
    assert again.to_dict() == calibration.to_dict()
    new = spaces.get("gpt2").sample_many(50, 9)
    for quantity, truth in MODELS.items():
        assert np.allclose(again.model(quantity).predict(new), truth.predict(new), rtol=0.05)
    with pytest.raises(UsageError, match="energy_wh was not calibrated on laptop"):
        again.model("energy_wh")


def test_quality_tells_how_left_out_measurements_were_foretold() -> None:
    by_name = {row["quantity"]: row for row in made(noise=0.03, n=40).quality()}
    row = by_name["latency_ms"]
    assert row["n"] == 40
    assert row["left_out_kendall"] > 0.9
    assert 0.005 < row["left_out_median_error"] < 0.06
    assert row["left_out_median_error"] < row["left_out_p90_error"] <= row["half_width_90"] * 1.01


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = made().save(tmp_path / "laptop.json")
    data = json.loads(path.read_text())
    data["models"]["latency_ms"]["prices"]["fixed"] *= 2
    path.write_text(json.dumps(data))
    with pytest.raises(FileFormatError, match="was changed after it was written"):
        Calibration.load(path)
    path.write_text(json.dumps(data | {"schema": 99}))
    with pytest.raises(FileFormatError, match="layout 99"):
        Calibration.load(path)
    path.write_text("{}")
    with pytest.raises(FileFormatError, match="tradewind calibrate"):
        Calibration.load(path)


def test_failed_measurements_are_kept_but_not_fitted() -> None:
    good = evaluations()
    bad = {name: Measurement.failed("oom: 9 GB", m.unit) for name, m in good[0].measurements.items()}
    calibration = calibrate(
        "toy", [Evaluation(0, good[0].candidate, bad), *good[1:]], spaces.get("gpt2").to_dict(), Workload(), {}
    )
    assert len(calibration.measurements) == 20
    assert calibration.quality()[0]["n"] == 19
    with pytest.raises(UsageError, match=r"nothing could be calibrated: a quantity needs 3 .* \(oom: 9 GB\)"):
        calibrate("toy", [Evaluation(0, good[0].candidate, bad)], {}, Workload(), {})


def test_a_quantity_measured_too_seldom_leaves_the_others_and_is_named() -> None:
    rows = evaluations()
    failing = {"peak_memory_mb@toy": Measurement.failed("oom: 9 GB", "MB")}
    seldom = [*rows[:2], *(Evaluation(e.index, e.candidate, {**e.measurements, **failing}) for e in rows[2:])]
    calibration = calibrate("toy", seldom, spaces.get("gpt2").to_dict(), Workload(), {})
    assert list(calibration.models) == ["latency_ms"]
    assert calibration.doubts() == [
        "peak_memory_mb is not calibrated: 2 of 20 measurements gave a value and 3 are needed (oom: 9 GB)"
    ]


def test_fits_that_foretell_badly_or_without_interval_are_in_doubt() -> None:
    assert made(n=40).doubts() == []
    (few, _) = made(n=8).doubts()
    assert few == "latency_ms: 8 measurements are too few for a 90% interval; measure more"
    rng = generator(0)
    noise = [
        Evaluation(e.index, e.candidate, {"latency_ms@toy": Measurement.of(rng.uniform(1, 9), "ms", method="dice")})
        for e in evaluations()
    ]
    assert made(n=8).doubts(["energy_wh"]) == []
    (doubt,) = calibrate("toy", noise, spaces.get("gpt2").to_dict(), Workload(), {}).doubts()
    assert doubt.startswith("latency_ms is in doubt: measurements left out of the fit were ranked with Kendall's tau")


def test_what_a_space_has_beyond_the_calibrated_one_is_named() -> None:
    calibration, whole = made(), spaces.get("gpt2")
    assert calibration.beyond(whole.to_dict()) == []
    assert calibration.beyond(whole.narrow(n_layer=[4, 5], d_model=[256]).to_dict()) == []
    wider = whole.to_dict()
    wider["dimensions"][0]["choices"] = [1, 2, 40]
    wider["constants"]["vocab_size"] = 600
    assert calibration.beyond(wider) == ["n_layer 1..40 (2..15)", "vocab_size 600 (50257)"]
    mine = {"dimensions": [{"name": "bias", "choices": [False]}], "constants": {"network": "profiled"}}
    other = {"dimensions": [{"name": "bias", "choices": [False, True]}], "constants": {"network": "intended"}}
    assert dataclasses.replace(calibration, space=mine).beyond(other) == ["bias True", "network intended"]


@pytest.mark.parametrize(
    "path",
    ["devices/cpu.json", "CPU.json", "devices/cuda:1.json", "Cuda.json", "devices/my laptop.json", ".json", "...json"],
)
def test_names_that_mean_something_else_are_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot name a calibrated device"):
        device_name(path)
