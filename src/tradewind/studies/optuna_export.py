"""A stored study as an Optuna study, in a database that Optuna and its dashboard open.

An evaluation of the search becomes a trial: its genes the parameters (only those that the architecture has), its
objectives the values in their own units, measured constraints Optuna's constraints (at most 0 where they hold). What
failed is a failed trial; a candidate that was never evaluated whole is a pruned one. Nothing is lost on the way: the
user attributes hold the candidate, its id and every measurement.
"""

from __future__ import annotations

import datetime
import math
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.core import Constraint, Evaluation, Space, UsageError
from tradewind.core.files import write_bytes
from tradewind.spaces import ArchitectureSpace, Gene, gene_values, genes

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from tradewind.studies.stored import StoredStudy

STUDY_FACTS = ("space", "algorithm", "settings", "seed", "workload", "constraints", "tradewind")
"""Entries of a study's configuration that become user attributes of the Optuna study."""


def write_optuna(study: StoredStudy, path: str | os.PathLike[str], name: str | None = None) -> Path:
    """Write a study into a new SQLite file of Optuna's; see `StoredStudy.to_optuna`."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError("Optuna is not installed; install it with: pip install 'tradewind[optuna]'") from error

    from tradewind.search.optuna_samplers import quiet

    target = Path(path)
    if target.exists():
        raise UsageError(f"{target} is there already; delete it or name another file")
    with tempfile.TemporaryDirectory(prefix="tradewind-") as folder, quiet():
        file = Path(folder) / "optuna.db"
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{file}", engine_kwargs={"connect_args": {"factory": _Unsynced}}
        )
        made = optuna.create_study(
            storage=storage,
            study_name=name or study.path.resolve().name,
            directions=["minimize" if o.minimise else "maximize" for o in study.objectives],
        )
        made.set_metric_names([o.name for o in study.objectives])
        for key in STUDY_FACTS:
            made.set_user_attr(key, study.config[key])
        made.add_trials(list(_trials(study)))
        storage.engine.dispose()
        return write_bytes(target, file.read_bytes())


class _Unsynced(sqlite3.Connection):
    """Optuna syncs several times a trial, in vain here: the file is moved into place when it is whole."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA synchronous=OFF")


def _trials(study: StoredStudy) -> Iterator[FrozenTrial]:
    """One trial a candidate in the order of evaluation, as long as its evaluations, each beginning where one ended."""
    import optuna

    every = study.space
    distributions = {g.name: _distribution(g) for g in genes(every)} if isinstance(every, ArchitectureSpace) else {}
    begin = datetime.datetime.fromisoformat(study.created_at)
    for evaluations in _by_candidate(study.evaluations(parts=True)):
        last = evaluations[-1]
        values = last.values(study.objectives) if last.fidelity is None else None
        state = optuna.trial.TrialState.COMPLETE
        if values is None:
            failed = last.values(study.objectives) is None
            state = optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.PRUNED
        params = _parameters(every, last.candidate)
        trial = optuna.trial.create_trial(
            state=state,
            values=values,
            params=params,
            distributions={name: distributions[name] for name in params},
            user_attrs=_attributes(evaluations),
            intermediate_values=_reports(evaluations, study),
            constraints=_constraints(last, study.constraints),
        )
        trial.datetime_start = begin
        begin += datetime.timedelta(seconds=sum(evaluation.seconds for evaluation in evaluations))
        trial.datetime_complete = begin
        yield trial


def _by_candidate(evaluations: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Evaluations of equal candidates together, those at lower fidelities first; repeated whole ones stay apart."""
    found: dict[tuple[str, int], list[Evaluation]] = {}
    for evaluation in evaluations:
        turn = 0
        while (mine := found.get((evaluation.candidate.id, turn))) and mine[-1].fidelity is None:
            turn += 1
        found.setdefault((evaluation.candidate.id, turn), []).append(evaluation)
    return list(found.values())


def _parameters(space: Space, candidate: Any) -> dict[str, Any]:
    return dict(gene_values(space, candidate)) if isinstance(space, ArchitectureSpace) else {}


def _distribution(gene: Gene) -> BaseDistribution:
    """Evenly spaced whole numbers as such, which the dashboard draws on an axis; all else as categories."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if gene.step:
        return IntDistribution(int(gene.choices[0]), int(gene.choices[-1]), step=gene.step)
    return CategoricalDistribution(gene.choices)


def _attributes(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    last = evaluations[-1]
    found = {"id": last.candidate.id, "candidate": last.candidate.to_dict(), "evaluation": last.index}
    for evaluation in evaluations:
        key = "measurements" if evaluation.fidelity is None else f"measurements at {evaluation.fidelity}"
        found[key] = {name: m.to_dict() for name, m in evaluation.measurements.items()}
    reasons = {name: m.reason for name, m in last.measurements.items() if not m.ok}
    return found | ({"failed": reasons} if reasons else {})


def _reports(evaluations: Sequence[Evaluation], study: StoredStudy) -> dict[int, float]:
    """What was reported on the way; Optuna knows that of studies with one objective only."""
    if len(study.objectives) > 1:
        return {}
    reported = [(e.fidelity, e.values(study.objectives)) for e in evaluations]
    return {fidelity: values[0] for fidelity, values in reported if fidelity is not None and values is not None}


def _constraints(evaluation: Evaluation, constraints: Sequence[Constraint]) -> dict[str, float] | None:
    """How far each bound is overstepped, at most 0 where it holds; infinite where the quantity has no value."""
    found: dict[str, float] = {}
    for constraint in constraints:
        measurement = evaluation.measurements.get(constraint.objective.name)
        if measurement is None or measurement.value is None:
            found[str(constraint)] = math.inf
            continue
        over = measurement.value - constraint.bound
        over = over if constraint.relation.startswith("<") else -over
        holds = constraint.holds(measurement.value)
        found[str(constraint)] = over if holds or over > 0 else math.ulp(constraint.bound)
    return found or None
