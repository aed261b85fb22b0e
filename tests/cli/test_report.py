from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tests.waiting import PATIENCE
from typer.testing import CliRunner

from tradewind.cli import report
from tradewind.core import UsageError
from tradewind.studies import Study

app = typer.Typer()
app.command()(report.report)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("runs") / "laptop"
    study = Study.create(folder, space="gpt2", objectives="decoder_params,flops", baselines=True)
    study.run(budget=20, progress=False)
    return folder


def test_it_shows_the_frontier_and_writes_the_files(run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(run), "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert result.exit_code == 0
    assert "non-dominated architectures" in result.stdout
    assert "report.html" in result.stderr
    assert "frontier.png" in result.stderr
    assert "the architectures in frontier/" in result.stderr
    assert list((tmp_path / "out" / "frontier").iterdir())
    assert (tmp_path / "out" / "report.html").is_file()
    assert not (run / "report").exists()


def test_the_default_place_is_the_run(run: Path) -> None:
    assert CliRunner().invoke(app, [str(run)], catch_exceptions=False).exit_code == 0
    assert (run / "report" / "report.html").is_file()


def test_json_is_the_only_thing_printed_and_nothing_is_written(run: Path, tmp_path: Path) -> None:
    before = sorted(run.rglob("*"))
    result = CliRunner().invoke(app, [str(run), "--json"], catch_exceptions=False)
    assert sorted(run.rglob("*")) == before
    document = json.loads(result.stdout)
    assert document["schema"] == "tradewind.report/1"
    assert document["counts"]["evaluations"] == 20
    CliRunner().invoke(app, [str(run), "--json", "--out", str(tmp_path)], catch_exceptions=False)
    assert json.loads((tmp_path / "report.json").read_text()) == document


def test_a_wrong_path_is_a_usage_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path / "none")])
    assert isinstance(result.exception, UsageError)


def test_a_wrong_path_ends_with_status_2_and_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tradewind", "report", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("tradewind: there is no study in ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_files_are_written_for_a_reader_that_leaves(run: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tradewind", "report", str(run), "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        child.stdout.close()
        child.wait(timeout=PATIENCE)
    assert (tmp_path / "report.html").is_file()


def test_what_cannot_be_written_is_shown(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, [str(run), "--out", str(tmp_path / "file")])
    assert isinstance(result.exception, UsageError)
    assert "non-dominated architectures" in result.stdout


def test_no_torch_is_loaded(run: Path) -> None:
    code = (
        "import sys; from tradewind import reports; reports.document(reports.read(sys.argv[1])); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'plotly')))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(run)], check=False).returncode == 0
