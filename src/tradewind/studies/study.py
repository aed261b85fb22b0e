"""Study: one search, stored as it runs, stopped at any moment and resumed as if it had not been."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tradewind import search, spaces
from tradewind.core import (
    Constraints,
    Evaluation,
    Evaluator,
    Objective,
    OtherStudyError,
    Problem,
    Space,
    StudyError,
    TradewindError,
    UsageError,
    Workload,
    parse_objectives,
)
from tradewind.core.files import canonical_json, parse_json
from tradewind.core.interrupts import Interrupts
from tradewind.evaluators import Limits, for_objectives
from tradewind.programs import read_candidate
from tradewind.studies import config, loop
from tradewind.studies.journal import Journal
from tradewind.studies.lock import StudyLock, make_folder
from tradewind.studies.meter import Meter
from tradewind.studies.pipeline import pipelined
from tradewind.studies.progress import Figures, Progress, Tracker
from tradewind.studies.schema import is_empty
from tradewind.studies.snapshot import snapshot
from tradewind.studies.store import STUDY_FILE, Store
from tradewind.studies.stored import StoredStudy


class Study(StoredStudy):
    """A stored study that can run; make it with `create`, continue it with `open`.

    >>> import tempfile
    >>> from tradewind.studies import Study
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = Study.create(f"{folder}/run", space="gpt2", objectives="decoder_params,flops", algorithm="random")
    ...     status = study.run(budget=20, progress=False)
    ...     status["evaluations"], len(Study.open(f"{folder}/run").evaluations())
    (20, 20)
    """

    def __init__(self, path: str | os.PathLike[str], evaluator: Evaluator | None = None) -> None:
        super().__init__(path)
        self._given = evaluator

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        space: Space | str,
        objectives: Sequence[str | Objective] | str,
        algorithm: str | None = None,
        settings: Mapping[str, Any] | None = None,
        seed: int = 0,
        constraints: Constraints = (),
        workload: Workload | None = None,
        device: str | None = None,
        device_options: Mapping[str, Any] | None = None,
        evaluator: Evaluator | None = None,
        baselines: bool | Sequence[Any] = False,
        resume: bool = False,
    ) -> Self:
        """A new study in the folder `path`, which is made if need be.

        Without an `algorithm` it is `search.default` of the problem: `calibrated` wherever that can search it. Settings
        stand in `settings`, or in brackets behind the name.
        `device` is meant where an objective or a constraint names none; `device_options` go to the evaluators that
        measure. `evaluator` replaces those that the objectives' names ask for. `baselines` are candidates to evaluate
        beside the search; True means the space's scaled baseline.

        With `resume`, a study of the same configuration is opened instead. Raises `StudyError` where there is a study
        already, with `resume` an `OtherStudyError` that says what differs; `UsageError` for what cannot be searched.
        """
        folder = Path(path)
        place = spaces.get(space) if isinstance(space, str) else space
        wanted = parse_objectives(objectives, device)
        load = workload or Workload()
        limits = Limits.of(constraints, load, device)
        options = dict(device_options or {})
        measures = evaluator or for_objectives(limits.needed(wanted), workload=load, space=place, **options)
        try:
            _check_evaluator(measures, limits.needed(wanted), place)
            problem = _problem(place, wanted, seed, limits, measures)
            named = algorithm or search.default(problem)
            searcher = search.create(named, problem, **(settings or {}))
            description = config.describe(
                space=place,
                objectives=wanted,
                constraints=limits.constraints,
                algorithm=search.split(named)[0],
                settings=dataclasses.asdict(searcher.settings),
                seed=seed,
                workload=load,
                device_options=options,
                evaluator=measures,
                baselines=_baselines(place, baselines),
            )
        finally:
            if evaluator is None:
                measures.close()
        make_folder(folder)
        with StudyLock(folder):
            exists = _exists(folder)
            if not exists:
                Store.create(folder / STUDY_FILE, canonical_json(description)).close()
        study = cls(folder, evaluator)
        if exists:
            study._check_same(description, resume)
        return study

    @classmethod
    def open(cls, path: str | os.PathLike[str], evaluator: Evaluator | None = None) -> Self:
        """The study in a folder; `evaluator` is needed again, to run on, where `create` was given one."""
        return cls(path, evaluator)

    def run(self, budget: int = 200, progress: bool | Callable[[Figures], None] = True) -> dict[str, Any]:
        """Evaluate until the study has `budget` evaluations of the search, earlier ones included; the `status`.

        Evaluations at less than the whole fidelity count as their share of a whole one: with an evaluator that trains
        for 1,000 steps, ten of 100 steps are one of the budget.
        Baselines come first and do not count. A space without new feasible candidates ends the run early (`exhausted`).
        Ctrl-C, SIGTERM and SIGHUP stop it between two evaluations with KeyboardInterrupt; what has finished is kept.
        Raises `StudyError` if another process runs this study, the log is damaged or the evaluator is not the one it
        began with.
        """
        if budget < 1:
            raise UsageError(f"budget is {budget}; it must be at least 1")
        with StudyLock(self.path), Store.open(self.path / STUDY_FILE) as store, Interrupts() as interrupts:
            self._take(store.rows(self._last_number))
            self._check_sound()
            evaluator = self._make_evaluator()
            try:
                self._check_same_evaluator(evaluator)
                tracker = Tracker(self.objectives, self.limits, budget, Meter(evaluator))
                for evaluation in self.evaluations(parts=True):
                    tracker.add(evaluation)
                with Progress(tracker, progress) as shown:
                    next_anchor = 1 + max((e.index for e in self.evaluations("anchor")), default=-1)
                    journal = Journal(store, evaluator, interrupts, self._committer(shown), next_anchor)
                    self._run(budget, evaluator, journal, store, shown)
            finally:
                if evaluator is not self._given:
                    evaluator.close()
        return self.status()

    def close(self) -> None:
        """Nothing is held open between runs; for use in `with`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, budget: int, evaluator: Evaluator, journal: Journal, store: Store, shown: Progress) -> None:
        """Baselines, then the search; what is finished is kept whatever ends it."""
        try:
            self._run_baselines(evaluator, journal, shown)
            problem = _problem(self.space, self.objectives, self._config["seed"], self.limits, evaluator)
            searcher = search.create(self._config["algorithm"], problem, **self._config["settings"])
            history = self.evaluations(parts=True)
            if getattr(evaluator, "lookahead", 1) > 1:
                evaluations = pipelined(searcher, evaluator, budget=budget, limits=self.limits, history=history)
            else:
                evaluations = loop.search(
                    searcher,
                    evaluator,
                    budget=budget,
                    limits=self.limits,
                    history=history,
                    known=self.evaluations("baseline"),
                    launch=journal.launch,
                )
            for evaluation in evaluations:
                journal.add(evaluation)
            journal.flush()
        except (KeyboardInterrupt, TradewindError):
            journal.stop()
            raise
        except Exception:
            journal.flush()
            raise
        meter = Meter(evaluator)
        for evaluation in self.evaluations(parts=True):
            meter.add(evaluation)
        self._exhausted = not meter.covers(budget)
        store.set_exhausted(self._exhausted)

    def _run_baselines(self, evaluator: Evaluator, journal: Journal, shown: Progress) -> None:
        baselines = [read_candidate(data) for data in self._config["baselines"]]
        done = {e.candidate.id for e in self.evaluations("baseline")}
        seen = {(e.candidate.id, e.fidelity): e.measurements for e in self.evaluations()}
        for index, candidate in enumerate(baselines):
            if candidate.id not in done:
                shown.note(f"baseline {index + 1}/{len(baselines)}")
                journal.add(loop.evaluate(candidate, index, "baseline", evaluator, seen=seen, launch=journal.launch))
        journal.flush()

    def _committer(self, shown: Progress) -> Callable[[Sequence[Evaluation], int], None]:
        def committed(evaluations: Sequence[Evaluation], last_number: int) -> None:
            self._log.extend(evaluations)
            self._positions.extend((e.role, e.index) for e in evaluations)
            self._last_number = last_number
            shown.add([e for e in evaluations if e.role == "search"])

        return committed

    def _make_evaluator(self) -> Evaluator:
        """The evaluator that was given or that the configuration asks for."""
        return self._given or for_objectives(
            self.limits.needed(self.objectives),
            workload=self.workload,
            space=self.space,
            anchors=self.evaluations("anchor"),
            **self._config["device_options"],
        )

    def _check_same_evaluator(self, evaluator: Evaluator) -> None:
        now = parse_json(canonical_json(evaluator.describe()), "the evaluator's description")
        changes = config.differences(self._config["evaluator"], now, "evaluator")
        if changes:
            raise StudyError(
                f"{self.path} was measured by another evaluator, its values would not be comparable: start a new study "
                "in another folder (one made with an evaluator of your own needs it again: Study.open(path, "
                f"evaluator=...)); {config.told(changes)}"
            )

    def _check_same(self, description: Mapping[str, Any], resume: bool) -> None:
        if not resume:
            raise StudyError(
                f"{self.path} holds a study already, with {len(self.evaluations())} evaluations; Study.open continues "
                "it, or give another folder"
            )
        changes = config.changes(self._config, description)
        if changes:
            raise OtherStudyError(
                f"{self.path} holds another study; give what it was made with to continue it, or another folder: "
                f"{config.told(changes)}"
            )

    def _check_sound(self) -> None:
        if self.damaged:
            more = f" and {len(self.damaged) - 3} more" if len(self.damaged) > 3 else ""
            raise StudyError(
                f"{self.path} is damaged ({'; '.join(map(str, self.damaged[:3]))}{more}) and can be read but not run: "
                "restore it from a copy, or let Study.open(path).rescue(other_path) copy what is sound into a study "
                "that can run"
            )


def _problem(
    space: Space, objectives: tuple[Objective, ...], seed: int, limits: Limits, evaluator: Evaluator
) -> Problem:
    """The task as the algorithm sees it; evaluators that know how a quantity is made of layers say so."""
    return Problem(
        space,
        objectives,
        seed,
        limits.feasible,
        constraints=limits.constraints,
        layerwise=getattr(evaluator, "layerwise", {}),
        workload=limits.workload,
        fidelities=getattr(evaluator, "fidelities", ()),
    )


def _baselines(space: Any, wanted: bool | Sequence[Any]) -> list[Any]:
    if isinstance(wanted, bool):
        return list(space.baselines()) if wanted else []
    return list(wanted)


def _check_evaluator(evaluator: Evaluator, needed: Sequence[Objective], space: Space) -> None:
    """Raise `UsageError` for what it does not give, and where it knows that every candidate would fail."""
    offered = {objective.name for objective in evaluator.objectives}
    for objective in needed:
        if objective.name not in offered:
            raise UsageError(
                f"the evaluator does not give {objective}, which an objective or a constraint asks for "
                f"(it gives {', '.join(sorted(offered))})"
            )
    problem = evaluator.problem(space) if hasattr(evaluator, "problem") else ""
    if problem:
        raise UsageError(problem)


def _exists(folder: Path) -> bool:
    """Whether the folder holds a study; a database that was killed before it got its tables is none."""
    if not (folder / STUDY_FILE).exists():
        return False
    with snapshot(folder) as connection:
        return not is_empty(connection)
