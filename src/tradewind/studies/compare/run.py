"""Running a comparison: every missing run in parallel processes of one thread each; what is finished is kept."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np

from tradewind.core import ArchitectureBatch, Evaluation, StudyError, UsageError
from tradewind.core.interrupts import Interrupts
from tradewind.studies.clock import seconds
from tradewind.studies.compare.contest import Contest, Task
from tradewind.studies.compare.record import Run, is_done, write_run
from tradewind.studies.loop import search

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run(
    contest: Contest,
    out: str | os.PathLike[str],
    workers: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> int:
    """Make every run that the folder `out` lacks and return how many were made.

    `workers` processes, by default one fewer than there are cores. `progress` is called with the runs done, their
    number and the name of the last one. A run that fails does not stop the others; at the end `StudyError` tells the
    first failure. Stopped at any moment (Ctrl-C and SIGTERM raise KeyboardInterrupt), the same call goes on with what
    is missing.
    """
    folder = Path(out)
    workers = max(1, (os.cpu_count() or 2) - 1) if workers is None else workers
    if workers < 1:
        raise UsageError(f"workers is {workers}; give at least 1")
    tasks = list(contest.tasks())
    missing = [task for task in tasks if not is_done(task, folder)]
    done, failures = len(tasks) - len(missing), list[str]()
    if progress is not None:
        progress(done, len(tasks), "")
    with Interrupts(), contextlib.closing(_finished(missing, folder, workers)) as finished:
        for task, error in finished:
            if error is not None:
                failures.append(f"{_label(task)}: {type(error).__name__}: {error}")
                continue
            done += 1
            if progress is not None:
                progress(done, len(tasks), _label(task))
    if failures:
        raise StudyError(
            f"{len(failures)} of {len(missing)} runs failed, the others are kept in {folder} and the same command "
            f"tries again what is missing; first failure: {failures[0]}"
        )
    return len(missing)


def perform(task: Task) -> Run:
    """One run in this process: the algorithm is told what it may see, the judge asks for the means afterwards."""
    case = task.case
    bench, objectives = case.bench, case.objectives
    algorithm = _Timed(task.contestant.create(case.problem(task.search_seed)))
    evaluator = bench.evaluator(objectives, draws=task.sees == "draws", seed=task.noise_seed)
    found = list(search(algorithm, evaluator, budget=task.evaluations))
    archs = [evaluation.candidate for evaluation in found]
    table = bench.query_many(ArchitectureBatch.of(archs), objectives)
    told = np.array([evaluation.values(objectives) for evaluation in found], dtype=float)
    means = np.column_stack([table[name] for name in case.objective_names])
    return Run(task, [arch.id for arch in archs], told, means, algorithm.asking, algorithm.telling)


class _Timed:
    """An algorithm whose time in ask and in tell is counted."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self.asking = self.telling = 0.0

    def ask(self, n: int = 1) -> list[Any]:
        start = seconds()
        found: list[Any] = self._algorithm.ask(n)
        self.asking += seconds() - start
        return found

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        start = seconds()
        self._algorithm.tell(evaluations)
        self.telling += seconds() - start


def _prepare() -> None:
    """A worker ends with its parent, however that ends, and says nothing when both are interrupted."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(task: Task, folder: Path) -> None:
    write_run(perform(task), folder)


def _finished(tasks: Sequence[Task], folder: Path, workers: int) -> Generator[tuple[Task, Exception | None]]:
    """Each task when it is finished, with what went wrong."""
    if not tasks:
        return
    # A spawned process shares no thread, lock or library state with this one.
    context = multiprocessing.get_context("spawn")
    size = min(workers, len(tasks))
    with _one_thread(), ProcessPoolExecutor(size, mp_context=context, initializer=_prepare) as pool:
        waiting: dict[Future[None], Task] = {}
        left = iter(tasks)
        try:
            while True:
                for task in left:
                    waiting[pool.submit(_work, task, folder)] = task
                    if len(waiting) >= 2 * workers:
                        break
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool):
                        raise StudyError(
                            f"a worker died during {_label(waiting[future])} or one beside it (out of memory?); what "
                            f"had finished is kept in {folder}, and the same command goes on with the rest"
                        ) from error
                    if error is not None and not isinstance(error, Exception):
                        raise error
                    yield waiting.pop(future), error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside use one thread each; libraries read it when they are loaded."""
    former = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _label(task: Task) -> str:
    return f"{task.contestant.name} on {task.case.name}, {task.sees}, seed {task.repeat}"
