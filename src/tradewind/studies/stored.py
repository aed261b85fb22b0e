"""StoredStudy: a study as it lies on disk, read without changing a byte of its folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from sqlalchemy import select, text

from tradewind import spaces
from tradewind.core import (
    Constraint,
    Constraints,
    Evaluation,
    Objective,
    Space,
    StudyError,
    UsageError,
    Workload,
    parse_objectives,
)
from tradewind.core.files import canonical_json, parse_json
from tradewind.evaluators import Limits
from tradewind.pareto import Frontier
from tradewind.programs import ProgramSpace
from tradewind.programs.space import FAMILY
from tradewind.studies import config
from tradewind.studies.lock import StudyLock, make_folder
from tradewind.studies.records import Damage, decode
from tradewind.studies.schema import TALLY, check_shape, read_rows, study_digest, study_row
from tradewind.studies.snapshot import snapshot
from tradewind.studies.store import STUDY_FILE, Store

ROLES = ("search", "baseline", "anchor", "retrain")
"""What an evaluation was made for: the search itself, comparison, watching the device drift, or a fresh training."""


class StoredStudy:
    """What was stored when it was opened; open it again to see what came since.

    Works while the study runs, on a copied folder (with or without the database's log) and on a read-only one.
    Evaluations whose checksum does not hold are left out and named in `damaged`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.damaged: list[Damage] = []
        self._log: list[Evaluation] = []
        self._positions: list[tuple[str, int]] = []
        self._last_number = 0
        self._exhausted = False
        with snapshot(self.path) as connection:
            check_shape(connection, str(self.path / STUDY_FILE))
            study = study_row(connection)
            if study is None or study_digest(study.schema_version, study.created_at, study.config) != study.sha256:
                raise StudyError(
                    f"{self.path / STUDY_FILE}: the study's configuration is damaged; restore the file from a copy"
                )
            origin = str(self.path / STUDY_FILE)
            self._config = config.check(parse_json(study.config, origin), origin)
            self.created_at: str = study.created_at
            self._take(read_rows(connection))
            tally = connection.execute(select(*TALLY.c)).first()
        if tally is None or tally.evaluations != len(self._positions) or tally.exhausted not in (0, 1):
            counted = tally.evaluations if tally is not None else "no"
            self.damaged.append(Damage("tally", f"{counted} evaluations were counted, {len(self._positions)} are here"))
        self._exhausted = tally is not None and tally.exhausted == 1

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Read the study in a folder; raises `StudyError` naming the file and what is wrong with it."""
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """Space, objectives, constraints, algorithm, settings, seed, workload, evaluator, baselines, versions."""
        return dict(self._config)

    @cached_property
    def space(self) -> Space:
        """The space that is searched."""
        described = self._config["space"]
        found: Any = ProgramSpace if described["family"] == FAMILY else spaces
        space: Space = found.from_dict(described)
        return space

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        """What is optimised."""
        return parse_objectives(self._config["objectives"])

    @cached_property
    def workload(self) -> Workload:
        """What the models are asked to do."""
        return Workload(**self._config["workload"])

    @cached_property
    def limits(self) -> Limits:
        """The study's constraints."""
        return Limits.of(self._config["constraints"], self.workload)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The study's constraints, the cheap ones first."""
        return self.limits.constraints

    def evaluations(self, role: str | None = "search", parts: bool = False) -> list[Evaluation]:
        """The finished evaluations of a role in their order; of all roles, in the order of storing, for None.

        Whole ones only, unless `parts` asks for those at less than the whole fidelity too.
        """
        if role is not None and role not in ROLES:
            raise UsageError(f"unknown role {role!r}; evaluations are {', '.join(ROLES)}")
        return [e for e in self._log if (role is None or e.role == role) and (parts or e.fidelity is None)]

    def frontier(self, constraints: Constraints = ()) -> Frontier:
        """The non-dominated evaluations of the search that satisfy the study's constraints and these.

        Evaluations without a value for every objective are left out. A closed-form quantity may be bounded whether the
        study evaluated it or not; any other must have been measured.
        """
        devices = {o.device for o in self.limits.needed(self.objectives) if o.device}
        extra = Limits.of(constraints, self.workload, devices.pop() if len(devices) == 1 else None)
        found = self.evaluations()
        mask = extra.feasible([e.candidate for e in found])
        admitted = [e for e, inside in zip(found, mask, strict=True) if inside]
        front = Frontier.of(admitted, self.objectives, [*self.constraints, *extra.measured])
        if found and not admitted:
            wanted = " and ".join(map(str, extra.cheap))
            return dataclasses.replace(front, why_empty=f"nothing evaluated ({len(found)}) has {wanted}")
        return front

    def to_optuna(self, path: str | os.PathLike[str], name: str | None = None) -> Path:
        """Write the search as an Optuna study into a new SQLite file, for its dashboard, and return the path.

        `name` is the Optuna study's, by default the folder's. One trial an evaluation: genes as parameters, objectives
        as values in their directions, failures as failed trials, candidates that were never evaluated whole as pruned
        ones, measured constraints as constraints; the user attributes hold the candidate and every measurement. Raises
        `UsageError` where Optuna is not installed or the file is there already.
        """
        from tradewind.studies.optuna_export import write_optuna

        return write_optuna(self, path, name)

    def verify(self) -> list[Damage]:
        """Read everything again and check it: the file's structure, every checksum, the count. Empty if all is well."""
        with snapshot(self.path) as connection:
            findings = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
        broken = [Damage(STUDY_FILE, finding[:200]) for finding in findings if finding != "ok"]
        return StoredStudy(self.path).damaged + broken

    def rescue(self, path: str | os.PathLike[str]) -> list[Evaluation]:
        """Copy what is sound into a new study that can run on, and leave this one as it is; what was copied.

        A search that runs on after losing evaluations is not the one it would have been without the loss. Raises
        `StudyError` where `path` holds a study already, `UsageError` where the folder cannot be made.
        """
        folder = Path(path)
        make_folder(folder)
        with StudyLock(folder), Store.create(folder / STUDY_FILE, canonical_json(self._config)) as store:
            if self._log:
                store.append(self._log)
        return list(self._log)

    def status(self) -> dict[str, Any]:
        """How the study stands, plain data.

        `evaluations` finished by the search, `failed` those of them without a value for every objective, `partial` the
        evaluations beside them at less than the whole fidelity, `baselines`
        and `anchors` measured beside, `frontier` its size, `exhausted` whether the last run ended because the algorithm
        had nothing new to propose, `note` that in words, `damaged` what is not as it was written.
        """
        found = self.evaluations()
        return {
            "evaluations": len(found),
            "failed": sum(e.values(self.objectives) is None for e in found),
            "partial": len(self.evaluations(parts=True)) - len(found),
            "baselines": len(self.evaluations("baseline")),
            "anchors": len(self.evaluations("anchor")),
            "frontier": len(self.frontier()),
            "exhausted": self._exhausted,
            "note": f"{self._config['algorithm']} has no new feasible candidate to propose" if self._exhausted else "",
            "damaged": [str(damage) for damage in self.damaged],
            "created_at": self.created_at,
        }

    def _take(self, rows: Sequence[Any]) -> None:
        """Add rows of the database to the log."""
        for row in rows:
            found = decode(row)
            if isinstance(found, Damage):
                self.damaged.append(found)
            else:
                self._log.append(found)
            self._positions.append((row.role, row.position))
            self._last_number = max(self._last_number, row.number)
