from __future__ import annotations

from pathlib import Path

import pytest
from tests.predictors.test_calibration import made

from tradewind import spaces
from tradewind.core import UsageError, Workload, parse_objectives
from tradewind.evaluators import calibrated, for_objectives
from tradewind.predictors import calibrated_devices
from tradewind.studies import Study
from tradewind.studies.descriptions import doubts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(calibrated_devices, "_files", {})
    made().save(tmp_path / "devices" / "laptop.json")
    return tmp_path


def test_a_calibrated_device_is_found_by_name_and_predicts(folder: Path) -> None:
    assert calibrated.known() == ["laptop"]
    evaluator = for_objectives("decoder_params,latency_ms@laptop", space=spaces.get("gpt2"))
    (found,) = evaluator.evaluate([spaces.get("gpt2").sample(0)])
    assert found["latency_ms@laptop"].predicted
    assert not found["decoder_params"].predicted
    assert evaluator.deterministic


def test_a_file_elsewhere_is_used_by_path(folder: Path) -> None:
    path = made().save(folder / "elsewhere" / "phone.json")
    assert calibrated.find("phone") is None
    assert calibrated.use(path) == "phone"
    assert for_objectives("latency_ms@phone").describe()["device"] == "phone"


def test_other_spaces_and_workloads_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="calibrated on gpt2, not on the family of transformer-xl"):
        for_objectives("latency_ms@laptop", space=spaces.get("transformer-xl"))
    with pytest.raises(UsageError, match="calibrated for batch 1 x 192 tokens"):
        for_objectives("latency_ms@laptop", workload=Workload(seq_len=64))


def test_what_lies_beyond_the_calibration_is_described(folder: Path) -> None:
    inside = for_objectives("latency_ms@laptop", space=spaces.get("gpt2").narrow(n_layer=[3]))
    assert doubts(inside.describe()) == []
    outside = for_objectives("decoder_params,latency_ms@laptop", space=spaces.get("gpt2").narrow(vocab_size=600))
    (told,) = doubts(outside.describe())
    assert told.startswith("laptop: it was not calibrated for all that is searched: vocab_size 600 (50257); ")


def test_unknown_devices_are_named_with_what_there_is(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing here evaluates latency_ms@desktop.*a calibrated device"):
        for_objectives("latency_ms@desktop")


def test_a_file_that_is_named_like_a_local_device_is_passed_over(folder: Path) -> None:
    for name in ("cpu", "CPU", "cuda", "cuda:1", "my laptop"):
        (folder / "devices" / f"{name}.json").write_text("{}")
        assert calibrated.find(name) is None
    assert calibrated.known() == ["laptop"]
    with pytest.raises(UsageError, match="no calibration file; there are laptop"):
        calibrated.build(parse_objectives("latency_ms@desktop"), workload=Workload(), space=None)


def test_an_exact_study_on_a_calibrated_device_needs_no_measuring(folder: Path) -> None:
    space = spaces.get("gpt2", n_layer="2..4", d_model="128..256")
    study = Study.create(
        folder / "run", space=space, objectives="decoder_params,latency_ms", device="laptop", algorithm="exact"
    )
    study.run(budget=40, progress=False)
    assert len(study.evaluations()) == 40
    assert len(study.frontier()) == 40
