"""Fresh trainings after a search: the best that it found and where it began, over the whole budget, with new seeds.

A search keeps what was lucky: its best value is the least of many noisy ones. So the best few are trained again, like
the start, with weights and batches of seeds that the search did not use. Seed i draws the same batches for all, so the
differences are paired.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Objective
from tradewind.core.interrupts import Interrupts
from tradewind.pareto import oriented
from tradewind.studies.lock import StudyLock
from tradewind.studies.records import storable
from tradewind.studies.store import STUDY_FILE, Store
from tradewind.studies.stored import StoredStudy

ROLE = "retrain"


def best_whole(study: StoredStudy, n: int) -> list[Any]:
    """The `n` candidates of a search with the best first objective, of those that were evaluated to the end.

    One that stopped at a hurdle is none of them, nor is a second one that computes the same.
    """
    objective = study.objectives[0]
    ended = [
        (values[0], e.index, e.candidate)
        for e in study.evaluations()
        if (values := e.values([objective])) is not None
        and not {"stopped", "same_as"} & set(e.measurements[objective.name].details)
    ]
    if not ended:
        return []
    order = np.argsort(oriented([[value] for value, _, _ in ended], [objective])[:, 0], kind="stable")
    return [ended[i][2] for i in order[:n]]


def retrain(
    path: str | os.PathLike[str],
    evaluator: Any,
    *,
    top: int = 3,
    seeds: int = 5,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Evaluation]:
    """Train the space's start and the `top` best with `seeds` new seeds each, and store them; all fresh trainings.

    The evaluator has ``retrain(candidate, seed)``. What is stored already is not done again, so a run that was stopped
    goes on. `progress` is told how many are done, of how many.
    """
    folder = Path(path)
    with StudyLock(folder), Store.open(folder / STUDY_FILE) as store, Interrupts() as interrupts:
        study = StoredStudy(folder)
        known = study.evaluations(ROLE)
        done = {(e.candidate.id, _seed(e, study.objectives[0])) for e in known}
        chosen = {c.id: c for c in (study.space.start, *best_whole(study, top))}  # type: ignore[attr-defined]
        wanted = [(c, seed) for seed in range(seeds) for c in chosen.values()]
        waiting = [(c, seed, evaluator.retrain(c, seed)) for c, seed in wanted if (c.id, seed) not in done]
        progress(len(wanted) - len(waiting), len(wanted))
        for number, (candidate, seed, future) in enumerate(waiting):
            found = storable(future.result(), evaluator.objectives)
            measurements = {n: dataclasses.replace(m, details={**m.details, "seed": seed}) for n, m in found.items()}
            seconds = max(float(m.details.get("seconds", 0.0)) for m in measurements.values())
            evaluation = Evaluation(len(known) + number, candidate, measurements, role=ROLE, seconds=seconds)
            with interrupts.shield():
                store.append([evaluation])
            progress(len(wanted) - len(waiting) + number + 1, len(wanted))
    return StoredStudy(folder).evaluations(ROLE)


def _seed(evaluation: Evaluation, objective: Objective) -> int:
    return int(evaluation.measurements[objective.name].details["seed"])
