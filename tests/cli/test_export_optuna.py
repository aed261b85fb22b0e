from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Tradewind

optuna = pytest.importorskip("optuna")
RUN = ["search", "--space", "gpt2", "--set", "n_layer=2..3", "--objectives", "decoder_params,flops", "--no-baseline"]


def test_a_run_of_an_optuna_sampler_goes_back_to_optuna(tradewind: Tradewind, tmp_path: Path) -> None:
    words = [*RUN, "--algorithm", "optuna:NSGAIISampler", "--setting", "population_size=5", "--budget", 8, "--out", "a"]
    assert tradewind(*words).status == 0
    said = tradewind("export", "optuna", "a", "--out", "a.db", "--json")
    assert said.status == 0
    assert said.json == {"run": "a", "out": "a.db", "trials": 8}
    study = optuna.load_study(study_name="a", storage=f"sqlite:///{tmp_path / 'a.db'}")
    assert len(study.trials) == 8
    assert study.user_attrs["algorithm"] == "optuna:NSGAIISampler"
    again = tradewind("export", "optuna", "a", "--out", "a.db")
    assert again.status == 2
    assert "is there already" in again.err
    assert tradewind("export", "optuna", "nowhere", "--out", "b.db").status == 1


def test_the_command_line_chooses_as_python_does(tradewind: Tradewind) -> None:
    from tradewind.studies import StoredStudy

    assert tradewind(*RUN, "--budget", 3, "--out", "b").status == 0
    assert StoredStudy.open("b").config["algorithm"] == "calibrated"
