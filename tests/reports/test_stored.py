from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.reports.synthetic import study as synthetic
from typer.testing import CliRunner

from tradewind import reports, spaces
from tradewind.core import Evaluation, Measurement, UsageError, Workload
from tradewind.reports.stored import command, drift, machine, setup
from tradewind.studies import Study


def make(path: Path, budget: int = 30, **options: Any) -> Study:
    space = spaces.get("gpt2").narrow(**spaces.parse_choices(["n_layer=2..4", "d_model=128,256", "d_inner=512..1024"]))
    fixed = {"objectives": "decoder_params,flops,params", "algorithm": "lts", "baselines": True, "seed": 3}
    study = Study.create(path, space=space, **(fixed | options))
    study.run(budget=budget, progress=False)
    return study


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("runs") / "laptop"
    make(folder, constraints=["decoder_params>=1e6"]).close()
    return folder


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir()) if p.is_file()}


def test_everything_stored_is_in_the_report(run: Path) -> None:
    study, data = Study.open(run), reports.read(run)
    assert data.name == "laptop"
    assert list(data.evaluations) == study.evaluations()
    assert list(data.baseline) == study.evaluations("baseline")
    assert len(data.baseline) > 2
    assert data.frontier.evaluations == study.frontier().evaluations
    assert data.setup["space"] == "gpt2"
    assert data.setup["dimensions"]["n_layer"] == "2..4"
    assert data.setup["seed"] == 3
    assert data.damaged == ()


def test_reading_and_writing_elsewhere_changes_no_byte(run: Path, tmp_path: Path) -> None:
    before = digest(run)
    paths = reports.write(run, tmp_path / "out")
    assert digest(run) == before
    assert [p.name for p in run.iterdir() if p.is_dir()] == []
    assert paths[0] == tmp_path / "out" / "report.html"
    assert {p.name for p in paths} >= {"report.json", "frontier.png", "speedup.png", "hypervolume.png", "profile.png"}
    assert all(p.stat().st_size for p in paths)


def test_a_copied_run_gives_the_same_report(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "laptop")
    first, second = reports.write(run, tmp_path / "a"), reports.write(tmp_path / "laptop", tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_the_command_makes_the_same_study(tmp_path: Path) -> None:
    from tradewind.cli.search import search

    workload = Workload(batch=2, seq_len=64, context=100, dtype="bfloat16", logits="last")
    study = make(tmp_path / "a", budget=5, workload=workload, constraints=["params<=5e7"], settings={"population": 20})
    text = reports.read(tmp_path / "a").setup["command"]
    app = typer.Typer()
    app.command()(search)
    words = shlex.split(text.replace("RUN", str(tmp_path / "b")))
    assert words[:2] == ["tradewind", "search"]
    result = CliRunner().invoke(app, words[2:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    again = Study.open(tmp_path / "b")
    assert {k: v for k, v in again.config.items() if k != "device_options"} == {
        k: v for k, v in study.config.items() if k != "device_options"
    }
    assert [e.candidate for e in again.evaluations()] == [e.candidate for e in study.evaluations()]


def test_an_evaluator_of_ones_own_has_no_command() -> None:
    config = {
        "space": spaces.get("gpt2").to_dict(),
        "objectives": ["decoder_params"],
        "constraints": [],
        "algorithm": "lts",
        "settings": {},
        "seed": 0,
        "workload": Workload().to_dict(),
        "device_options": {"threads": 2, "runtime": "onnxruntime"},
        "evaluator": {"kind": "mine"},
        "baselines": [],
        "tradewind": "0.1.0",
    }
    assert "command" not in setup(config, "2026", 10)
    assert command(config, 10).endswith("--threads 2 --runtime onnxruntime --no-baseline --out RUN")


def test_only_named_facts_of_the_machine_are_taken() -> None:
    description = {
        "kind": "combined",
        "parts": [
            {"kind": "formula", "hostname": "canary-host"},
            {
                "kind": "device",
                "facts": {"processor": "Example CPU", "threads": 1, "home": "/home/canary"},
                "gpu": {"x": 1},
            },
        ],
    }
    assert machine(description) == {"processor": "Example CPU", "threads": 1}


def test_drift_is_relative_to_the_first_anchor() -> None:
    data = synthetic(3)

    def anchor(ms: float | None) -> Evaluation:
        found = Measurement.of(ms, "ms") if ms else Measurement.failed("crash: x", "ms")
        return Evaluation(0, data.evaluations[0].candidate, {"latency_ms@cpu": found}, role="anchor")

    log = [anchor(10.0), *data.evaluations[:2], anchor(None), anchor(11.0), data.evaluations[2], anchor(9.0)]
    assert drift(log) == ((0, 1.0), (2, 1.1), (3, 0.9))
    assert drift(data.evaluations) == ()
    other = Evaluation(0, data.evaluations[0].candidate, {"latency_ms@cuda": Measurement.of(2.0, "ms")}, role="anchor")
    assert drift([anchor(10.0), other, anchor(11.0)]) == ((0, 1.0), (0, 1.0), (0, 1.1))


def test_a_folder_without_a_study_is_refused_with_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no study in .*missing; give the folder"):
        reports.read(tmp_path / "missing")


def test_a_folder_that_cannot_be_written_points_to_out(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write the report into .*--out"):
        reports.write(run, tmp_path / "file" / "report")


def test_the_report_lies_in_the_run_by_default_and_is_replaced(tmp_path: Path) -> None:
    make(tmp_path / "a", budget=4).close()
    first = reports.write(tmp_path / "a")
    assert first[0] == tmp_path / "a" / "report" / "report.html"
    Study.open(tmp_path / "a").run(budget=12, progress=False)
    second = reports.write(tmp_path / "a")
    assert {p for p in (tmp_path / "a" / "report").rglob("*") if p.is_file()} == set(second)
    assert json.loads(second[1].read_text())["counts"]["evaluations"] == 12


def test_secrets_of_the_environment_stay_out(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_TOKEN", "canary-7f3a")
    paths = reports.write(run, tmp_path / "canary-folder")
    text = b"".join(p.read_bytes() for p in paths if p.suffix in {".json", ".html", ".parquet"})
    for secret in ("canary-7f3a", "canary-folder", str(run.parent)):
        assert secret.encode() not in text


def test_a_study_just_begun_has_a_report(tmp_path: Path) -> None:
    Study.create(tmp_path / "a", space="gpt2", objectives="decoder_params,flops").close()
    page, document = reports.write(tmp_path / "a", tmp_path / "out")[:2]
    assert "there is no frontier" in page.read_text()
    assert json.loads(document.read_text())["counts"]["evaluations"] == 0


def test_damage_is_told(run: Path) -> None:
    data = dataclasses.replace(reports.read(run), damaged=("row 7",))
    assert reports.document(data)["damaged"] == ["row 7"]
