from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.studies.fakes import OBJECTIVES, SPACE, Slow, facts
from tests.studies.test_kill import launch

from tradewind.core import Evaluation
from tradewind.core.interrupts import Interrupts
from tradewind.studies import StoredStudy, Study
from tradewind.studies.store import Store


def interrupted(number: signal.Signals, times: int, shielded: bool) -> list[str]:
    """What was still done when this process signals itself within the context."""
    done = []
    try:
        with Interrupts() as interrupts:
            with interrupts.shield() if shielded else contextlib.nullcontext():
                for count in range(times):
                    os.kill(os.getpid(), number)
                    done.append(f"signal {count + 1}")
            done.append("after")
    except KeyboardInterrupt:
        done.append("KeyboardInterrupt")
    return done


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_a_keyboard_interrupt(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    assert interrupted(number, 1, shielded=False) == ["KeyboardInterrupt"]
    assert signal.getsignal(number) is former


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_waits_for_what_is_shielded(number: signal.Signals) -> None:
    assert interrupted(number, 1, shielded=True) == ["signal 1", "KeyboardInterrupt"]


def test_the_second_one_is_immediate() -> None:
    assert interrupted(signal.SIGINT, 2, shielded=True) == ["signal 1", "KeyboardInterrupt"]


def test_what_nohup_ignores_stays_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert interrupted(signal.SIGHUP, 1, shielded=False) == ["signal 1", "after"]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def test_other_threads_are_left_alone() -> None:
    former = signal.getsignal(signal.SIGINT)
    found = []

    def work() -> None:
        with Interrupts() as interrupts, interrupts.shield():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [former]


@pytest.mark.parametrize("deterministic", [False, True])
def test_an_interrupted_run_keeps_what_finished_and_goes_on(tmp_path: Path, deterministic: bool) -> None:
    """Stopped far more often at one candidate than would be forgiven to one that ends the process."""

    def create(path: Path, seconds: float, before: object = None) -> Study:
        evaluator = Slow(seconds, deterministic, *([before] if before else []))  # type: ignore[list-item]
        return Study.create(
            path, space=SPACE, objectives=OBJECTIVES, algorithm="drawing", evaluator=evaluator, resume=True
        )

    whole = create(tmp_path / "whole", 0.0)
    whole.run(budget=12, progress=False)
    draw = random.Random(2)

    def life(report: object) -> None:
        try:
            create(tmp_path / "run", 3600.0, report).run(budget=12, progress=False)
        except KeyboardInterrupt:
            os._exit(7)

    for _ in range(5):
        child, heard = launch(life)  # type: ignore[arg-type]
        os.read(heard, 1)
        time.sleep(draw.uniform(0, 0.05))
        os.kill(child, draw.choice([signal.SIGINT, signal.SIGTERM]))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        os.close(heard)
    study = create(tmp_path / "run", 0.0)
    assert len(study.evaluations()) == 0
    status = study.run(budget=12, progress=False)
    assert status["failed"] == 0
    assert facts(StoredStudy(tmp_path / "run").evaluations()) == facts(whole.evaluations())


def test_after_an_interrupt_the_study_object_knows_what_was_stored(tmp_path: Path) -> None:
    calls: list[int] = []

    def before() -> None:
        calls.append(1)
        if len(calls) == 6:
            os.kill(os.getpid(), signal.SIGINT)

    study = Study.create(
        tmp_path, space=SPACE, objectives=OBJECTIVES, algorithm="drawing", evaluator=Slow(0.0, True, before)
    )
    with pytest.raises(KeyboardInterrupt):
        study.run(budget=12, progress=False)
    assert facts(study.evaluations()) == facts(StoredStudy(tmp_path).evaluations())
    assert len(study.evaluations()) == 5
    assert study.run(budget=12, progress=False)["evaluations"] == 12


def test_a_signal_in_the_middle_of_storing_waits_for_the_end_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.create(
        tmp_path, space=SPACE, objectives=OBJECTIVES, algorithm="drawing", evaluator=Slow(0.0, deterministic=False)
    )
    real = Store.append

    def append(store: Store, evaluations: list[Evaluation]) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        return real(store, evaluations)

    monkeypatch.setattr(Store, "append", append)
    for count in range(1, 4):
        with pytest.raises(KeyboardInterrupt):
            study.run(budget=12, progress=False)
        assert len(study.evaluations()) == len(StoredStudy(tmp_path).evaluations()) == count
