"""`tradewind evolve` from the command line, with models of a few thousand parameters."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Tradewind
from tests.waiting import wait_until

from tradewind.core import StudyError
from tradewind.evaluators.program_training import ProgramTraining
from tradewind.programs import Program, primer_ez
from tradewind.studies import StoredStudy

TEXT = str(Path(__file__).parents[1] / "programs")
SMALL = ("--data", TEXT, "--budget-steps", "6", "--population", "5", "--tournament", "2", "--d-model", "8",
         "--layers", "1", "--length", "8", "--batch", "2", "--warmup", "2", "--seed", "1")  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))


def content(run: Path) -> list[tuple[int, str, float | None, str, int | None]]:
    return [
        (e.index, e.candidate.id, m.value, m.reason, m.details.get("stopped"))
        for e in StoredStudy(run).evaluations()
        for m in e.measurements.values()
    ]


def test_evolves_retrains_and_reports(tradewind: Tradewind) -> None:
    run = ("evolve", *SMALL, "--individuals", 8, "--retrain", 1, "--retrain-seeds", 2, "--out", "e")
    said = tradewind(*run, "--json")
    assert said.status == 0, said.err
    assert said.json["status"]["evaluations"] == 8
    assert [row["seeds"] for row in said.json["retrained"]] in ([2], [2, 2])
    assert said.json["retrained"][0]["gain"] is None, "the start comes first"
    again = tradewind(*run)
    assert again.status == 0
    assert "trained again" in again.out
    assert "non-dominated program" in " ".join(again.out.split())
    assert "8 programs kept in e. Look at it: tradewind report e\n" in again.err
    report = tradewind("report", "e")
    assert "programs were trained to the end" in report.out
    page = Path("e/report/report.html").read_text()
    for part in ("Fitness over births", "Family tree", "Trained again", "Mutations", "evolve --start"):
        assert part in page
    found = [json.loads(path.read_text()) for path in Path("e/report/frontier").glob("1-*.json")]
    assert [Program.from_dict(one).id for one in found] == [row["id"] for row in said.json["frontier"]]


def test_guided_ranks_a_neighbourhood_beside_a_measured_cost(tradewind: Tradewind) -> None:
    Path("start.json").write_text(primer_ez().to_json())
    said = tradewind(
        "evolve", *SMALL, "--guided", "--start", "start.json", "--vocabulary", "SQUARE", "--edits", "delete",
        "--individuals", 4, "--objectives", "perplexity,latency_ms@cpu", "--retrain", 0, "--out", "n", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    study = StoredStudy("n")
    assert study.evaluations()[0].candidate == primer_ez()
    assert {o.name for o in study.objectives} == {"perplexity", "latency_ms@cpu"}
    valued = [e for e in study.evaluations() if e.values(study.objectives) is not None]
    assert len(valued) >= 2
    assert len(study.frontier()) >= 1


def test_an_end_before_the_budget_is_told(tradewind: Tradewind, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"params": 1, "flops_a_step": 1, "train_s": 1.0, "evaluate_s": 0.1, "total_s": 1.2, "diverged": ""}
    monkeypatch.setattr(
        ProgramTraining,
        "_ask_worker",
        lambda self, job: {"result": {"curve": [(round(mark), mark, 3.0) for mark in job["marks"]], **facts}},
    )
    edits = ("--guided", "--vocabulary", "SQUARE", "--edits", "delete")
    said = tradewind("evolve", *SMALL, *edits, "--individuals", 90, "--retrain", 0, "--out", "n")
    assert said.status == 0, said.err
    assert "It ended before 90 programs: neighbourhood has no new feasible candidate to propose." in said.err


def test_where_no_program_trains_the_reasons_are_told(tradewind: Tradewind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProgramTraining, "_ask_worker", lambda self, job: {"failed": "oom: 7 MB were taken"})
    said = tradewind("evolve", *SMALL, "--individuals", 2, "--retrain", 0, "--out", "e")
    assert said.status == 1
    assert "no program of 2 could be trained: 2 times oom: 7 MB were taken" in said.err
    assert "The first of each: oom: 7 MB were taken." in " ".join(tradewind("report", "e").out.split())
    assert "The first of each: oom: 7 MB were taken." in Path("e/report/report.html").read_text()


def test_kill_9_and_the_same_command_goes_on_to_the_same_result(tmp_path: Path) -> None:
    """Two workers, killed while they train; the run that was never stopped is the oracle."""

    def command(out: str, individuals: int) -> list[str]:
        words = ["evolve", *SMALL, "--individuals", str(individuals), "--workers", "2", "--retrain", "0", "--out", out]
        return [sys.executable, "-m", "tradewind", *words]

    def has_begun() -> bool:
        with contextlib.suppress(StudyError):  # not made yet
            return len(content(tmp_path / "cut")) >= 3
        return False

    killed = subprocess.Popen(
        command("cut", 10_000), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(has_begun, killed)
    killed.kill()
    killed.wait()
    individuals = max(12, len(content(tmp_path / "cut")) + 3)
    for out in ("cut", "whole"):
        subprocess.run(command(out, individuals), cwd=tmp_path, check=True, capture_output=True)
    assert len(content(tmp_path / "cut")) == individuals
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--budget-flops", "1e9"), "two budgets; give one"),
        (("--start", "transformr"), "neither one of transformer"),
        (("--vocabulary", "SQUER"), "did you mean 'SQUARE'"),
        (("--edits", "inserts"), "did you mean 'insert'"),
        (("--objectives", "latency_ms@cpu"), "add it to --objectives"),
        (("--objectives", "perplexity,latency_ms@cpu", "--workers", "2"), "use --workers 1"),
        (("--schedule", "cosine"), "use rsqrt or constant"),
        (("--memory-limit", "0"), "memory_limit_mb is 0.0; it must be a number above 0"),
        (("--time-limit", "-3"), "time_limit_s is -3.0; it must be a number above 0"),
        (("--length", "10000000"), "too few for a window of 10000000"),
    ],
)
def test_errors_teach(tradewind: Tradewind, words: tuple[str, ...], message: str) -> None:
    said = tradewind("evolve", *SMALL, *words, "--out", "x")
    assert said.status == 2
    assert message in said.err
    assert not Path("x").exists()


def test_another_command_for_the_same_folder_is_refused(tradewind: Tradewind) -> None:
    words = ("evolve", *SMALL, "--individuals", 2, "--retrain", 0, "--out", "e")
    assert tradewind(*words).status == 0
    said = tradewind(*words, "--hurdles", 1)
    assert said.status == 2
    assert "hurdles was 2, now 1" in said.err
