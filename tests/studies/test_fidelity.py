"""Studies with an evaluator that reports before it is done."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.studies.fakes import OBJECTIVES, SPACE, evaluation, facts

from tradewind.core import Measurement, Measurements, Partial, UsageError
from tradewind.evaluators import FormulaEvaluator
from tradewind.pareto import Frontier
from tradewind.reports import read
from tradewind.studies import StoredStudy, Study, loop
from tradewind.studies.meter import Meter
from tradewind.studies.schema import SCHEMA_VERSION, study_digest
from tradewind.studies.store import STUDY_FILE


class Training:
    """Closed forms that come nearer with every step; it keeps where each candidate is, and what it did."""

    objectives = OBJECTIVES
    deterministic = False
    fidelities = range(1, 28)

    def __init__(self, resumes: bool = True, die_after: int | None = None) -> None:
        self.resumes = resumes
        self.steps = 0
        self.reached: dict[str, int] = {}
        self._die_after = die_after

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        return self.evaluate_at(candidates, 27)

    def evaluate_at(self, candidates: Sequence[Any], fidelity: int) -> list[Measurements]:
        for candidate in candidates:
            if self._die_after is not None and self.steps >= self._die_after:
                os.kill(os.getpid(), signal.SIGKILL)
            self.steps += fidelity - (self.reached.get(candidate.id, 0) if self.resumes else 0)
            self.reached[candidate.id] = fidelity
        found = FormulaEvaluator(OBJECTIVES).evaluate(candidates)
        return [
            {name: Measurement.of(float(m.value or 0) * (2 - fidelity / 27), m.unit) for name, m in one.items()}
            for one in found
        ]

    def describe(self) -> dict[str, Any]:
        return {"kind": "training"}

    def close(self) -> None:
        pass


def create(path: Path, evaluator: Training) -> Study:
    return Study.create(
        path, space=SPACE, objectives=OBJECTIVES, algorithm="mo-asha", evaluator=evaluator, resume=True, seed=1
    )


def levels(study: Study) -> list[tuple[Any, ...]]:
    log = study.evaluations(parts=True)
    return [(*fact, e.fidelity) for fact, e in zip(facts(log), log, strict=True)]


def test_the_budget_is_resource_and_whole_evaluations_alone_count(tmp_path: Path) -> None:
    evaluator = Training()
    study = create(tmp_path / "run", evaluator)
    status = study.run(budget=12, progress=False)
    everything = study.evaluations(parts=True)
    whole = study.evaluations()
    assert 12 * 27 <= evaluator.steps < 13 * 27
    assert {e.fidelity for e in everything} == {3, 9, None}
    assert all(e.fidelity is None for e in (*whole, *study.frontier(), *study.evaluations(role=None)))
    assert (status["evaluations"], status["partial"]) == (len(whole), len(everything) - len(whole))
    assert not status["exhausted"]
    assert len(Frontier.of(everything, OBJECTIVES)) == len(study.frontier()) > 0
    for found in whole:  # a part's values are worse than the whole's and stay apart from them
        parts = [e for e in everything if e.candidate == found.candidate and e.fidelity is not None]
        assert [e.fidelity for e in parts] == [3, 9]
        assert all(e.measurements["flops"].value > found.measurements["flops"].value for e in parts)
    assert facts(StoredStudy.open(study.path).evaluations(parts=True)) == facts(everything)
    report = read(study.path)
    assert len(report.evaluations) == len(report.valued) == len(whole)


def test_without_resuming_every_rung_costs_its_whole_resource(tmp_path: Path) -> None:
    evaluator = Training(resumes=False)
    study = create(tmp_path / "run", evaluator)
    study.run(budget=6, progress=False)
    meter = Meter(evaluator)
    for found in study.evaluations(parts=True):
        meter.add(found)
    assert meter.spent == evaluator.steps >= 6 * 27


def test_killed_and_resumed_it_is_the_search_that_was_never_stopped(tmp_path: Path) -> None:
    whole = create(tmp_path / "whole", Training())
    whole.run(budget=8, progress=False)
    expected = levels(whole)
    for deadline in (20, 60, 100, None):
        child = os.fork()
        if child == 0:
            create(tmp_path / "cut", Training(die_after=deadline)).run(budget=8, progress=False)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (0 if deadline is None else -signal.SIGKILL)
    assert levels(create(tmp_path / "cut", Training())) == expected


def test_a_fidelity_that_the_evaluator_has_not_got_is_refused() -> None:
    class Once:
        def ask(self, n: int = 1) -> list[Any]:
            return [Partial(SPACE.sample(seed=0), self.fidelity)]

        def tell(self, evaluations: Any) -> None:
            self.told = list(evaluations)

    algorithm = Once()
    for evaluator, fidelity in ((Training(), 28), (FormulaEvaluator(OBJECTIVES), 1)):
        algorithm.fidelity = fidelity
        with pytest.raises(UsageError, match=f"cannot report at fidelity {fidelity}"):
            list(loop.search(algorithm, evaluator, budget=1))
    algorithm.fidelity = 27  # all of it is the whole
    (found,) = loop.search(algorithm, Training(), budget=1)
    assert found.fidelity is None


def test_what_is_known_at_one_fidelity_is_evaluated_at_another() -> None:
    class Climbing:
        steps = (Partial(SPACE.sample(seed=0), 9), SPACE.sample(seed=0), SPACE.sample(seed=0))

        def __init__(self) -> None:
            self.told: list[Any] = []

        def ask(self, n: int = 1) -> list[Any]:
            return [self.steps[len(self.told)]]

        def tell(self, evaluations: Any) -> None:
            self.told += evaluations

    evaluator = Training()
    found = list(loop.search(Climbing(), evaluator, budget=2))
    assert [e.fidelity for e in found] == [9, None, None]
    assert evaluator.steps == 27  # going on, and the third time nothing
    assert found[1].measurements == found[2].measurements != found[0].measurements


def test_a_study_of_the_first_version_is_read_and_brought_up_to_date(tmp_path: Path) -> None:
    evaluator = FormulaEvaluator(OBJECTIVES)
    made = {"space": SPACE, "objectives": OBJECTIVES, "algorithm": "random", "evaluator": evaluator}
    study = Study.create(tmp_path / "old", **made)  # type: ignore[arg-type]
    study.run(budget=5, progress=False)
    expected = facts(study.evaluations())
    database = study.path / STUDY_FILE
    connection = sqlite3.connect(database)
    connection.execute("ALTER TABLE evaluation DROP COLUMN fidelity")
    created_at, config = connection.execute("SELECT created_at, config FROM study").fetchone()
    digest = study_digest(1, created_at, config)
    connection.execute("UPDATE study SET schema_version = 1, sha256 = ?", (digest,))
    connection.commit()
    connection.close()
    before = database.read_bytes()
    assert facts(StoredStudy.open(study.path).evaluations()) == expected
    assert database.read_bytes() == before
    again = Study.open(study.path, evaluator)
    again.run(budget=8, progress=False)
    assert facts(again.evaluations())[:5] == expected
    assert len(StoredStudy.open(study.path).evaluations()) == 8
    assert not StoredStudy.open(study.path).verify()
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT schema_version FROM study").fetchone() == (SCHEMA_VERSION,)


def test_the_meter_counts_a_repetition_in_full() -> None:
    meter = Meter(Training())
    parts = [dataclasses.replace(evaluation(0), fidelity=f) for f in (3, 9, 9, None, None)]
    assert [meter.add(part) for part in parts] == [3, 6, 9, 18, 27]
    assert (meter.covers(2), meter.covers(3)) == (True, False)
    plain = Meter()
    assert [plain.add(evaluation(0)) for _ in range(2)] == [1, 1]


def test_without_a_name_the_algorithm_is_the_one_that_fits(tmp_path: Path) -> None:
    """Calibrated where it can search; successive halving where the evaluator reports before it is done."""
    common = {"space": SPACE, "objectives": OBJECTIVES}
    for number, (evaluator, expected) in enumerate(
        [(FormulaEvaluator(OBJECTIVES), "calibrated"), (Training(), "mo-asha")]
    ):
        study = Study.create(tmp_path / str(number), evaluator=evaluator, **common)  # type: ignore[arg-type]
        assert study.config["algorithm"] == expected
