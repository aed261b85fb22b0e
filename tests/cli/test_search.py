from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tradewind
from tests.waiting import PATIENCE, wait_until

from tradewind.core import Measurement, Measurements, StudyError
from tradewind.evaluators import FormulaEvaluator
from tradewind.studies import StoredStudy, Study

CHEAP = ("search", "--objectives", "decoder_params,flops", "--algorithm", "lts", "--no-baseline", "--seed", "3")


def test_the_same_command_resumes_and_a_larger_budget_goes_on(tradewind: Tradewind) -> None:
    first = tradewind(*CHEAP, "--budget", 20, "--out", "runs/a", "--json").json
    assert first["status"]["evaluations"] == 20
    assert tradewind(*CHEAP, "--budget", 50, "--out", "runs/a").status == 0
    assert tradewind(*CHEAP, "--budget", 50, "--out", "runs/b").status == 0
    logs = [[e.candidate.id for e in Study.open(f"runs/{run}").evaluations()] for run in "ab"]
    assert len(logs[0]) == 50
    assert logs[0] == logs[1]


def test_another_configuration_in_the_same_folder_is_refused(tradewind: Tradewind) -> None:
    tradewind(*CHEAP, "--budget", 5, "--out", "runs/a")
    said = tradewind(*CHEAP, "--budget", 5, "--out", "runs/a", "--set", "n_layer=2..4")
    assert said.status == 2
    assert "holds another study" in said.err
    assert "evaluator" not in said.err
    assert "space" in said.err
    other = ("--space", "transformer-xl", "--objectives", "params,flops", "--where", "params<=1e9", "--seed", 4)
    said = tradewind(*CHEAP, *other, "--budget", 5, "--out", "runs/a")
    assert said.err.startswith("tradewind: runs/a holds another study; give what it was made with to continue it, or ")
    assert len(said.err) < 500


def test_constraints_and_narrowing_bound_the_frontier(tradewind: Tradewind) -> None:
    words = (*CHEAP, "--budget", 40, "--out", "runs/a", "--json", "--set", "n_layer=2..4", "--where")
    rows = tradewind(*words, "decoder_params<=5e6").json["frontier"]
    assert rows
    assert all(row["architecture"]["n_head"] and len(row["architecture"]["n_head"]) <= 4 for row in rows)
    assert all(row["measurements"]["decoder_params"]["value"] <= 5e6 for row in rows)


def test_settings_reach_the_algorithm(tradewind: Tradewind) -> None:
    assert tradewind(*CHEAP, "--budget", 5, "--out", "runs/a", "--setting", "population=10").status == 0
    assert Study.open("runs/a").config["settings"]["population"] == 10
    said = tradewind(*CHEAP, "--budget", 5, "--out", "runs/b", "--setting", "popluation=10")
    assert (said.status, "did you mean 'population'" in said.err) == (2, True)


def test_what_nothing_evaluates_is_refused(tradewind: Tradewind) -> None:
    said = tradewind("search", "--space", "gpt2", "--objectives", "decoder_params,perplexity", "--out", "runs/a")
    assert (said.status, "nothing here evaluates perplexity" in said.err) == (2, True)


def test_a_search_without_one_value_fails_and_says_why(tradewind: Tradewind, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(self: FormulaEvaluator, candidates: Sequence[Any]) -> list[Measurements]:
        (layers,) = (c.n_layer for c in candidates)
        reason = f"oom: {layers} MB were taken" if layers > 2 else "timeout: no result"
        return [{o.name: Measurement.failed(reason, o.unit) for o in self.objectives}]

    monkeypatch.setattr(FormulaEvaluator, "evaluate", evaluate)
    said = tradewind(*CHEAP, "--budget", 20, "--out", "runs/a", "--json")
    assert (said.status, said.json["status"]["failed"]) == (1, 20)
    assert "none of 20 evaluations has a value for every objective: " in said.err
    assert re.search(r": \d+ times oom: \d+ MB were taken(; \d times timeout: no result)?$", said.err.strip())
    assert tradewind(*CHEAP, "--budget", 20, "--out", "runs/a").status == 1


@pytest.mark.xdist_group("machine")
def test_limits_that_nothing_satisfies_end_with_how_near_it_came(tradewind: Tradewind) -> None:
    words = ("search", "--set", "n_layer=2", "--set", "d_model=128", "--set", "vocab_size=500", "--set", "context=64")
    where = ("--length", 32, "--objectives", "decoder_params,latency_ms", "--where", "latency_ms<=0.0001")
    run = (*words, *where, "--no-baseline", "--algorithm", "random", "--budget", 2, "--out", "runs/a")
    said = tradewind(*run)
    assert (said.status, said.out) == (1, "")
    near = r"nothing evaluated \(2 with values\) has latency_ms@cpu<=0.0001; at best latency_ms@cpu comes to [\d.]+ ms"
    assert re.search(near + ": relax --where", said.err)
    assert tradewind(*run, "--json").json["frontier"] == []
    assert re.search(near + ": there is no frontier", " ".join(tradewind("report", "runs/a").out.split()), re.I)
    assert re.search(near, Path("runs/a/report/report.html").read_text().replace("&lt;", "<"), re.I)


def test_an_end_before_the_budget_is_told(tradewind: Tradewind) -> None:
    one = ("--set", "n_layer=2", "--set", "d_model=128", "--set", "d_inner=512", "--set", "n_head=2")
    words = ("search", "--objectives", "decoder_params,flops", "--algorithm", "random", "--no-baseline", *one)
    said = tradewind(*words, "--budget", 20, "--out", "runs/a")
    assert said.status == 0
    assert "The search ended before its budget of 20: random has no new feasible candidate to propose." in said.err
    assert "before its budget" not in tradewind(*words, "--budget", 1, "--out", "runs/a").err


def _start(folder: Path) -> subprocess.Popen[str]:
    """A search that has some evaluations and goes on."""
    words = [sys.executable, "-m", "tradewind", *CHEAP, "--budget", "100000", "--out", "runs/a"]
    child = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def has_begun() -> bool:
        with contextlib.suppress(StudyError):  # not made yet
            return bool(StoredStudy(folder / "runs" / "a").evaluations())
        return False

    wait_until(has_begun, child)
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_keeps_everything_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    child = _start(tmp_path)
    os.kill(child.pid, number)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 1
    assert "the same command goes on" in err
    assert "Traceback" not in err
    study = Study.open(tmp_path / "runs" / "a")
    assert study.evaluations()
    assert f"{len(study.evaluations())} evaluations are kept" in err


def test_kill_9_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    child = _start(tmp_path)
    child.kill()
    child.communicate(timeout=PATIENCE)
    study = Study.open(tmp_path / "runs" / "a")
    done = [e.candidate.id for e in study.evaluations()]
    assert done
    assert study.verify() == []
    study.run(budget=len(done) + 10, progress=False)
    assert [e.candidate.id for e in study.evaluations()][: len(done)] == done


def test_the_page_of_a_run_is_written_by_report(tradewind: Tradewind) -> None:
    tradewind(*CHEAP, "--budget", 30, "--out", "runs/a")
    assert tradewind("report", "runs/a").status == 0
    assert Path("runs/a/report/report.html").stat().st_size > 1e6
    assert json.loads(Path("runs/a/report/report.json").read_text())["counts"]["evaluations"] == 30
