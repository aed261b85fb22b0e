"""What a report is made from: the evaluations of a stored study and an allow-list of facts about how they came about.

Everything below reads a `ReportData`; only `read` knows how a study is stored. Nothing that could name a person or a
machine (paths, host, user, environment, command line) gets in: facts are picked by name, never copied whole.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tradewind.core import Constraint, Evaluation, Objective, Workload
from tradewind.pareto import Archive, Frontier, feasible, hypervolume, oriented, reference_point
from tradewind.pareto.wording import noun


@dataclasses.dataclass(frozen=True, eq=False)
class ReportData:
    """One study, ready to be reported.

    `evaluations` are those of the search in their order, `baseline` the homogeneous models measured in the same run,
    `retrained` fresh trainings after a search of programs.
    `space` and `workload` are what the study searched and measured; without them nothing is modelled.
    `setup` holds plain facts (space, algorithm, seed, workload, versions). `drift` pairs the number of evaluations done
    with the anchor's cost relative to its first reading (1 means no drift). `damaged` names what could not be read,
    `doubts` what a calibrated device is not to be relied on for.
    """

    name: str
    objectives: tuple[Objective, ...]
    evaluations: tuple[Evaluation, ...]
    baseline: tuple[Evaluation, ...] = ()
    retrained: tuple[Evaluation, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    setup: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    space: Any = None
    workload: Workload | None = None
    drift: tuple[tuple[int, float], ...] = ()
    damaged: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def lead(self) -> str:
        """What was searched, with what, on what, for what: one line."""
        where = next((str(self.setup[key]) for key in ("gpu", "processor", "device") if self.setup.get(key)), None)
        parts = [f"{self.setup.get('space', 'a space')} searched with {self.setup.get('algorithm', 'an algorithm')}"]
        parts += [f"on {where}"] if where else []
        return " ".join([*parts, f"for {', '.join(noun(o) for o in self.objectives)}"])

    @cached_property
    def frontier(self) -> Frontier:
        """The non-dominated evaluations of the search that satisfy the constraints."""
        return Frontier.of(self.evaluations, self.objectives, self.constraints)

    @cached_property
    def valued(self) -> tuple[Evaluation, ...]:
        """The evaluations of the search with a value for every objective."""
        return tuple(e for e in self.evaluations if e.values(self.objectives) is not None)

    @cached_property
    def reference(self) -> np.ndarray | None:
        """The reference point of every hypervolume here, to be minimised (M,): `reference_point` of the frontier."""
        return reference_point(self.points(self.frontier)) if len(self.frontier) else None

    @cached_property
    def progress(self) -> tuple[tuple[int, float], ...]:
        """Evaluations done and the share of the final hypervolume at the start, after every change, at the end.

        Early sets that reach nowhere below `reference` have no volume yet.
        """
        if self.reference is None:
            return ()
        final = hypervolume(self.points(self.frontier), self.reference)
        counted = {id(e) for e in feasible(self.evaluations, self.objectives, self.constraints)}
        archive = Archive(len(self.objectives))
        steps = [(0, 0.0)]
        for done, evaluation in enumerate(self.evaluations, start=1):
            if id(evaluation) in counted and archive.add(self.points([evaluation])[0]):
                steps.append((done, hypervolume(archive.points, self.reference) / final))
        return (*steps, (len(self.evaluations), steps[-1][1]))

    @cached_property
    def baseline_share(self) -> float | None:
        """The baseline's hypervolume as a share of the frontier's, under the same reference point."""
        points = self.points(self.baseline)
        if self.reference is None or not len(points):
            return None
        return hypervolume(points, self.reference) / hypervolume(self.points(self.frontier), self.reference)

    @property
    def measured(self) -> tuple[Objective, ...]:
        """The objectives, then the other quantities that every evaluation on the frontier has a value for."""
        others = dict.fromkeys(name for e in self.frontier for name in e.measurements)
        parsed = [Objective.parse(name) for name in others]
        return (
            *self.objectives,
            *(o for o in parsed if o not in self.objectives and all(e.values([o]) is not None for e in self.frontier)),
        )

    def points(self, evaluations: Sequence[Evaluation]) -> np.ndarray:
        """The objectives of evaluations that have them all, as points to minimise (N, M)."""
        rows = [row for e in evaluations if (row := e.values(self.objectives)) is not None]
        return oriented(np.array(rows).reshape(len(rows), len(self.objectives)), self.objectives)
