"""Births in order: what a study holds does not depend on who finishes first, nor on where it was cut."""

from __future__ import annotations

import random
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tradewind.core import Evaluation, Measurement, StudyError, parse_objectives
from tradewind.core.seeds import generator
from tradewind.programs import ProgramSpace, transformer
from tradewind.studies import StoredStudy, Study
from tradewind.studies.retraining import best_whole, retrain

SPACE = ProgramSpace()


class Fitness:
    """A fitness that is a pure function of the program and of how much was learnt, on threads that take random time."""

    deterministic = isolated = True
    objectives = parse_objectives("perplexity")

    def __init__(self, lookahead: int = 4, hurry: int = 0, stop_after: int | None = None) -> None:
        self.lookahead, self.learnt, self.begun = lookahead, 0, 0
        self._pool, self._hurry = ThreadPoolExecutor(3), random.Random(hurry)
        self._stop_after = stop_after

    def submit(self, candidate: Any) -> Future[Any]:
        self.begun += 1
        if self._stop_after is not None and self.begun > self._stop_after:
            raise KeyboardInterrupt
        return self._pool.submit(self._value, candidate, self.learnt, self._hurry.random() / 100)

    def evaluate(self, candidates: Any) -> list[Any]:
        return [self.submit(c).result() for c in candidates]

    def retrain(self, candidate: Any, seed: int) -> Future[Any]:
        loss = 1 + float(generator(seed, candidate.id, "again").random())
        found = Measurement.of(loss, "perplexity", details={"loss": loss})
        self.begun += 1
        future: Future[Any] = Future()
        future.set_result({"perplexity": found})
        return future

    def learn(self, evaluations: list[Evaluation]) -> None:
        self.learnt += len(evaluations)

    def describe(self) -> dict[str, Any]:
        return {"kind": "fitness", "lookahead": self.lookahead}

    def close(self) -> None:
        self._pool.shutdown()

    def _value(self, candidate: Any, learnt: int, pause: float) -> dict[str, Any]:
        time.sleep(pause)
        drawn = float(generator(0, candidate.id).random())
        if drawn < 0.2:
            return {"perplexity": Measurement.failed("oom: made to fail", "perplexity")}
        details = {"learnt": learnt, "seconds": pause} | ({"stopped": 1} if drawn > 0.8 else {})
        return {"perplexity": Measurement.of(1 + drawn, "perplexity", details=details)}


def study(folder: Path, evaluator: Fitness) -> Study:
    return Study.create(
        folder,
        space=SPACE,
        objectives="perplexity",
        algorithm="aging",
        settings={"population": 5, "tournament": 2},
        evaluator=evaluator,
        resume=True,
    )


def content(folder: Path) -> list[tuple[Any, ...]]:
    found = StoredStudy(folder).evaluations()
    return [
        (e.index, e.candidate.id, m.value, m.reason, m.details.get("learnt"), m.details.get("origin"))
        for e in found
        for m in e.measurements.values()
    ]


def test_the_order_of_finishing_does_not_matter(tmp_path: Path) -> None:
    for name, hurry in (("a", 1), ("b", 2)):
        study(tmp_path / name, Fitness(hurry=hurry)).run(budget=16, progress=False)
    a = content(tmp_path / "a")
    assert a == content(tmp_path / "b")
    assert [row[0] for row in a] == list(range(16))
    # Candidate i was submitted when i - 3 evaluations had been told.
    assert all(learnt in (None, max(0, index - 3)) for index, *_, learnt, _ in a)
    known = {row[1] for row in a}
    assert all(origin["parent"] in known and origin["mutations"] for *_, origin in a[1:])


@pytest.mark.parametrize("lookahead", [1, 4])
def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(tmp_path: Path, lookahead: int) -> None:
    study(tmp_path / "whole", Fitness(lookahead)).run(budget=14, progress=False)
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path / "cut", Fitness(lookahead, stop_after=9)).run(budget=14, progress=False)
    done = len(content(tmp_path / "cut"))
    assert 0 < done < 14
    again = Fitness(lookahead)
    study(tmp_path / "cut", again).run(budget=14, progress=False)
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert again.begun == 14 - done, "nothing that was stored is done again"


def test_a_log_of_another_schedule_is_refused(tmp_path: Path) -> None:
    study(tmp_path / "run", Fitness(4)).run(budget=8, progress=False)
    other = Fitness(6)
    other.describe = lambda: {"kind": "fitness", "lookahead": 4}  # type: ignore[method-assign]
    with pytest.raises(StudyError, match="this search proposes"):
        study(tmp_path / "run", other).run(budget=12, progress=False)


def test_fresh_trainings_are_stored_and_not_repeated(tmp_path: Path) -> None:
    study(tmp_path / "run", Fitness()).run(budget=12, progress=False)
    stored = StoredStudy(tmp_path / "run")
    best = best_whole(stored, 2)
    values = sorted(
        m.value for e in stored.evaluations() if (m := e.measurements["perplexity"]).ok and "stopped" not in m.details
    )
    chosen = {e.candidate.id: e.measurements["perplexity"].value for e in stored.evaluations()}
    assert [chosen[c.id] for c in best] == values[:2]
    seen: list[tuple[int, int]] = []
    first = Fitness()
    found = retrain(tmp_path / "run", first, top=2, seeds=2, progress=lambda done, total: seen.append((done, total)))
    programs = {transformer().id, *(c.id for c in best)}
    assert {e.candidate.id for e in found} == programs
    assert len(found) == first.begun == 2 * len(programs)
    assert seen[-1] == (len(found), len(found))
    more = Fitness()
    assert len(retrain(tmp_path / "run", more, top=2, seeds=3)) == 3 * len(programs)
    assert more.begun == len(programs)
    assert [e.role for e in found] == ["retrain"] * len(found)
    assert len(StoredStudy(tmp_path / "run").evaluations()) == 12
