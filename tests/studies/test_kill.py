from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.studies.fakes import OBJECTIVES, SPACE, Slow, facts
from tests.waiting import PATIENCE

from tradewind.core import Measurement, Workload
from tradewind.devices import Runner, Timing, get
from tradewind.evaluators import CombinedEvaluator, FormulaEvaluator
from tradewind.evaluators.device import DeviceEvaluator
from tradewind.studies import StoredStudy, Study
from tradewind.studies.store import STUDY_FILE

BUDGET = 40


def create(path: Path, algorithm: str, evaluator: Any) -> Study:
    return Study.create(
        path,
        space=SPACE,
        objectives=OBJECTIVES,
        algorithm=algorithm,
        seed=5,
        constraints=["decoder_params>=2e6"],
        baselines=True,
        evaluator=evaluator,
        resume=True,
    )


def launch(work: Callable[[Callable[[], None]], None]) -> tuple[int, int]:
    """A forked child that works and reports; its process number and the pipe that it reports to.

    One that hangs ends itself by an alarm.
    """
    heard, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(heard)
            signal.alarm(int(PATIENCE))
            work(lambda: os.write(tell, b"."))  # type: ignore[arg-type, return-value]
        finally:
            os._exit(0)
    os.close(tell)
    return child, heard


@pytest.mark.parametrize(("algorithm", "deterministic"), [("lts", False), ("drawing", True)])
def test_a_study_killed_again_and_again_ends_like_one_that_was_not(
    tmp_path: Path, algorithm: str, deterministic: bool
) -> None:
    """SIGKILL at random moments: before there is a database, before and in the middle of evaluations.

    The child reports at the start of each evaluation, when all before it must be durable if each is a transaction of
    its own. It is killed only after some reports, so that every life but the earliest gets on, and goes only one
    evaluation further by itself, so that it cannot end before it is killed. The earliest two only create the study:
    a candidate that is launched in vain three times is given up.
    """
    whole = create(tmp_path / "whole", algorithm, Slow(0.0, deterministic))
    whole.run(budget=BUDGET, progress=False)
    path = tmp_path / "killed"

    draw = random.Random(1)
    kills, reports = 0, 0
    for number in range(200):
        awaited = 0 if number < 4 else draw.randrange(2, 4)

        def life(report: Callable[[], None], number: int = number, awaited: int = awaited) -> None:
            begun = 0

            def before() -> None:
                nonlocal begun
                report()
                begun += 1
                if begun == awaited + 2 or not awaited:
                    signal.pause()

            study = create(path, algorithm, Slow(0.002, deterministic, before))
            if number >= 2:
                study.run(budget=BUDGET, progress=False)

        child, heard = launch(life)
        begun = 0
        while begun < awaited and os.read(heard, 1):
            begun += 1
        time.sleep(draw.uniform(0, 0.004 if awaited else 0.03))
        os.kill(child, signal.SIGKILL)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        begun += len(os.read(heard, 1000))
        os.close(heard)
        kills += killed
        reports += begun
        stored = StoredStudy(path) if (path / STUDY_FILE).exists() and begun else None
        found = stored.evaluations(None) if stored else []
        assert facts(found) == facts(whole.evaluations(None))[: len(found)]
        if not deterministic and stored:
            assert len(found) >= reports - kills
        if len(stored.evaluations() if stored else []) == BUDGET:
            break
    assert kills >= 10
    end = StoredStudy(path)
    assert end.verify() == []
    assert facts(end.evaluations(None)) == facts(whole.evaluations(None))
    assert end.status() == whole.status() | {"created_at": end.created_at}


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_candidate_that_kills_the_coordinator_is_abandoned(tmp_path: Path, deterministic: bool) -> None:
    whole = create(tmp_path / "whole", "drawing", Slow(0.0, deterministic))
    whole.run(budget=12, progress=False)
    poison = whole.evaluations()[9].candidate.id

    class Deadly(Slow):
        def evaluate(self, candidates: Any) -> Any:
            if candidates[0].id == poison:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().evaluate(candidates)

    def life(_: Callable[[], None]) -> None:
        create(tmp_path / "run", "drawing", Deadly(0.0, deterministic)).run(budget=12, progress=False)

    statuses = []
    for _ in range(4):
        child, heard = launch(life)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os.close(heard)
    assert statuses == [-signal.SIGKILL] * 3 + [0]
    found = StoredStudy(tmp_path / "run").evaluations()
    assert len(found) == 12
    assert [e.candidate.id for e in found if e.values(OBJECTIVES) is None] == [poison]
    assert facts(found)[:9] == facts(whole.evaluations())[:9]


def test_a_candidate_that_is_measured_in_a_worker_is_not_blamed_for_the_coordinator_s_end(tmp_path: Path) -> None:
    """Four times somebody else kills the process during one candidate; it is measured all the same."""
    marks = tmp_path / "kills"
    marks.touch()

    class Machine(Runner):
        def __init__(self) -> None:
            self.device, self.workload, self.timing = get("cpu"), Workload(), Timing()

        def measure(self, candidate: Any, quantities: Any) -> dict[str, Measurement]:
            stored = StoredStudy(tmp_path / "run").evaluations() if (tmp_path / "run").exists() else []
            if len(stored) == 3 and marks.stat().st_size < 4:
                with marks.open("a") as file:
                    file.write("x")
                os.kill(os.getpid(), signal.SIGKILL)
            return {q: Measurement.of(float(candidate.d_model), "ms", device="cpu") for q in quantities}

        def close(self) -> None:
            pass

    def life(_: Callable[[], None]) -> None:
        evaluator = CombinedEvaluator([FormulaEvaluator("flops"), DeviceEvaluator("latency_ms", runner=Machine())])
        study = Study.create(
            tmp_path / "run",
            space=SPACE,
            objectives="flops,latency_ms@cpu",
            algorithm="drawing",
            evaluator=evaluator,
            resume=True,
        )
        study.run(budget=6, progress=False)

    statuses = []
    for _ in range(5):
        child, heard = launch(life)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os.close(heard)
    assert statuses == [-signal.SIGKILL] * 4 + [0]
    assert StoredStudy(tmp_path / "run").status()["failed"] == 0
    assert len(StoredStudy(tmp_path / "run").evaluations()) == 6
