from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from tests.waiting import PATIENCE, wait_until

from tradewind.core import FileFormatError, StudyError, UsageError
from tradewind.core.files import read_json
from tradewind.studies.compare import Contest, run, summarise
from tradewind.studies.compare import record as records
from tradewind.studies.compare.record import path_of, read_run
from tradewind.studies.compare.run import perform

OBJECTIVES = ["perplexity,latency_ms@h100", "perplexity,energy_wh@a100,params"]


def contest(algorithms: str = "random,lts", seeds: int = 3, evaluations: int = 20, sees: str = "draws") -> Contest:
    return Contest.of(["hwgpt-s"], OBJECTIVES, algorithms, evaluations=evaluations, seeds=seeds, sees=sees)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("comparison")
    assert run(contest(), out, workers=1) == 12
    return out


def test_processes_write_what_one_process_computes(folder: Path) -> None:
    for task in list(contest().tasks())[:4]:
        here, there = perform(task), read_run(task, folder)
        assert there.ids == here.ids
        assert (there.told == here.told).all()
        assert (there.means == here.means).all()
        assert len(there) == 20
        assert there.ask_seconds > 0


def test_only_what_is_missing_is_made(folder: Path) -> None:
    tasks = list(contest().tasks())
    before = {task: path_of(task, folder).stat().st_mtime_ns for task in tasks}
    victim = path_of(tasks[5], folder)
    content = read_run(tasks[5], folder)
    victim.unlink()
    seen: list[tuple[int, int]] = []
    assert run(contest(), folder, workers=1, progress=lambda done, total, _: seen.append((done, total))) == 1
    assert seen == [(11, 12), (12, 12)]
    assert all(path_of(t, folder).stat().st_mtime_ns == before[t] for t in tasks if t != tasks[5])
    assert (read_run(tasks[5], folder).means == content.means).all()
    assert run(contest(), folder) == 0


def test_more_seeds_and_algorithms_add_to_the_folder(folder: Path) -> None:
    more = contest("random,lts,lts/paper", seeds=4)
    assert sum(records.is_done(task, folder) for task in more.tasks()) == 12
    with pytest.raises(StudyError, match="12 runs are missing"):
        summarise(more, folder)


def test_a_folder_of_another_comparison_is_refused(folder: Path) -> None:
    with pytest.raises(StudyError, match="evaluations was 20, now 21"):
        run(contest(evaluations=21), folder)


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    task = next(contest().tasks())
    path = path_of(task, tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no table")
    with pytest.raises(FileFormatError, match=path.name):
        run(contest(), tmp_path)


def test_a_failing_run_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = list(contest("random", seeds=2).tasks())
    # A folder stands where one run's file should go: its writing fails in the worker.
    path_of(tasks[1], tmp_path).mkdir(parents=True)
    with pytest.raises(StudyError, match=r"1 of 4 runs failed.*random on hwgpt-s"):
        run(contest("random", seeds=2), tmp_path, workers=1)
    assert sum(records.is_done(t, tmp_path) for t in tasks) == 3


def test_no_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="workers is 0"):
        run(contest(), tmp_path, workers=0)


def test_summary_says_what_the_runs_say(folder: Path) -> None:
    summary = summarise(contest(), folder)
    assert len(summary.outcomes) == 4
    for outcome in summary.outcomes:
        assert outcome.share.shape == (3, 20)
        assert (outcome.share[:, -1] <= 1 + 1e-9).all()
        assert (outcome.returned <= outcome.share[:, -1] + 1e-12).all()
    ranking = summary.ranking("draws")
    assert ranking is not None
    assert ranking.blocks == 6
    assert summary.ranking("draws", summary.contest.cases[0]).blocks == 3  # type: ignore[union-attr]


def test_evaluations_needed_are_medians_over_runs(folder: Path) -> None:
    outcome = summarise(contest(), folder).outcomes[0]
    needed = sorted(int(np.argmax(row >= 0.7)) + 1 for row in outcome.share if row[-1] >= 0.7)
    if len(needed) == 3:
        assert outcome.evaluations_to(0.7) == needed[1]
    assert outcome.evaluations_to(1.1) is None
    assert outcome.evaluations_to(0.0) == 1


def test_files_hold_every_run_and_the_whole_summary(folder: Path, tmp_path: Path) -> None:
    summary = summarise(contest(), folder)
    document, table = summary.write(tmp_path)
    facts = read_json(document)
    assert facts["cases"][0]["optimum"]["points"] > 100
    assert facts["seeds"] == 3
    assert len(facts["outcomes"]) == 4
    rows = pq.read_table(table).to_pylist()
    assert len(rows) == 12
    for row in rows:
        outcome = next(
            o for o in summary.outcomes if (o.case.name, o.contestant.name) == (row["case"], row["algorithm"])
        )
        assert row["share"][-1] == pytest.approx(outcome.share[row["seed"], -1])


def test_a_run_that_ends_early_keeps_its_last_values(folder: Path) -> None:
    found = Contest.of(["hwgpt-s"], ["params,latency_ms@h100"], "calibrated", evaluations=120, seeds=1)
    task = next(found.tasks())
    done = perform(task)
    records.write_run(done, folder)
    outcome = summarise(found, folder).outcomes[0]
    assert outcome.share.shape == (1, 120)
    assert (outcome.share[0, len(done) :] == outcome.share[0, len(done) - 1]).all()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_at_any_moment_it_leaves_whole_runs_and_no_worker(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "from tradewind.studies.compare import Contest, run\n"
        "if __name__ == '__main__':\n"
        f"    contest = Contest.of(['hwgpt-s'], ['perplexity,params'], 'random', seeds=5000)\n"
        f"    run(contest, {str(tmp_path)!r}, workers=1)\n"
    )
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(tmp_path.rglob("*.parquet"))) >= 3, process)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.send_signal(number)
    process.wait(PATIENCE)
    _, alive = psutil.wait_procs(workers, PATIENCE)
    assert not alive
    long = Contest.of(["hwgpt-s"], ["perplexity,params"], "random", seeds=5000)
    done = [task for task in long.tasks() if records.is_done(task, tmp_path)]
    assert 3 <= len(done) < 5000
    assert all(len(read_run(task, tmp_path)) == 200 for task in done)
