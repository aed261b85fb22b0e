"""Frontier: the non-dominated evaluations of a study, with queries, hypervolume, tables and export."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tradewind.core import (
    Constraint,
    Constraints,
    Evaluation,
    Objective,
    UsageError,
    parse_constraints,
    parse_objectives,
    unknown,
)
from tradewind.pareto import export
from tradewind.pareto.dominance import nondominated_mask, oriented
from tradewind.pareto.indicators import hypervolume, reference_point
from tradewind.pareto.wording import short

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.table import Table


@dataclasses.dataclass(frozen=True)
class Frontier(Sequence[Evaluation]):
    """A sequence of evaluations, best first by the first objective; make it with `Frontier.of`.

    `evaluations` are the non-dominated ones, `values` (N, M) their objectives in their own units; `why_empty` says of
    an empty one what nothing has, and how near to each constraint anything comes.

    >>> from tradewind.core import GPT2, Measurement
    >>> def trial(i, params, ms):
    ...     arch = GPT2(d_model=64, n_head=(2,) * (i + 1), d_inner=(128,) * (i + 1))
    ...     return Evaluation(i, arch, {"decoder_params": Measurement.of(params, "parameters"),
    ...                                 "latency_ms@cpu": Measurement.of(ms, "ms")})
    >>> front = Frontier.of([trial(0, 5, 9.0), trial(1, 8, 20.0), trial(2, 4, 30.0)], "decoder_params,latency_ms@cpu")
    >>> front.values.tolist(), front.best("decoder_params", latency_ms=("<=", 10)).index
    ([[8.0, 20.0], [5.0, 9.0]], 0)
    >>> front
    Frontier(2 architectures: decoder_params max, latency_ms@cpu min; see .table())
    """

    evaluations: tuple[Evaluation, ...]
    objectives: tuple[Objective, ...]
    values: np.ndarray = dataclasses.field(compare=False)
    why_empty: str = dataclasses.field(default="", compare=False)

    @classmethod
    def of(
        cls,
        evaluations: Iterable[Evaluation],
        objectives: Sequence[str | Objective] | str,
        constraints: Constraints = (),
    ) -> Frontier:
        """The frontier of finished evaluations.

        Only `feasible` evaluations take part. Evaluations of equal values are all kept; ties in the first objective are
        ordered by the next ones, then by evaluation index.
        """
        wanted = parse_objectives(objectives)
        everything = list(evaluations)
        kept = feasible(everything, wanted, constraints)
        values = [row for e in kept if (row := e.values(wanted)) is not None]
        points = oriented(np.array(values, dtype=np.float64).reshape(len(kept), len(wanted)), wanted)
        front = np.flatnonzero(nondominated_mask(points))
        order = sorted(front.tolist(), key=lambda i: (*points[i].tolist(), kept[i].index))
        why_empty = "" if kept else _why_empty(everything, wanted, constraints)
        return cls(tuple(kept[i] for i in order), wanted, oriented(points[order], wanted), why_empty)

    def __len__(self) -> int:
        return len(self.evaluations)

    def __repr__(self) -> str:
        if not len(self):
            return f"Frontier(empty: {self.why_empty})"
        goals = ", ".join(f"{o} {'min' if o.minimise else 'max'}" for o in self.objectives)
        return f"Frontier({len(self)} architecture{'s' if len(self) > 1 else ''}: {goals}; see .table())"

    @overload
    def __getitem__(self, key: int) -> Evaluation: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Evaluation, ...]: ...
    def __getitem__(self, key: Any) -> Any:
        return self.evaluations[key]

    def hypervolume(self, reference: Sequence[float] | None = None) -> float:
        """Volume between the frontier and a reference point in the objectives' own units and order.

        Without one, `reference_point` of the frontier itself is used: good for one number in a log, not for comparing
        frontiers, which need one shared reference. 0 for an empty frontier.
        """
        if not len(self):
            return 0.0
        points = oriented(self.values, self.objectives)
        corner = reference_point(points) if reference is None else oriented([list(reference)], self.objectives)[0]
        return hypervolume(points, corner)

    def best(
        self,
        objective: str | Objective,
        *,
        where: Constraints = (),
        **bounds: tuple[str, float],
    ) -> Evaluation:
        """The evaluation with the best value of `objective` among those that satisfy every bound.

        Bounds are constraints, ``where="latency_ms<=50"`` or several in a list, or keywords,
        ``latency_ms=("<=", 50)``; a device goes into the text, or into the key: ``**{"latency_ms@cpu": ("<=", 50)}``.
        Any measured quantity may be asked for, not only the objectives. Ties go to the earlier one in the frontier.
        Raises `UsageError`, with the nearest value that exists, when nothing satisfies the bounds.
        """
        if not len(self):
            raise UsageError(f"the frontier is empty: {self.why_empty}")
        goal = self._measured(objective)
        given = [*parse_constraints(where, "any"), *(_keyword(name, pair) for name, pair in bounds.items())]
        limits = [self._bound(constraint) for constraint in given]
        having = [e for e in self.evaluations if e.values([goal]) is not None]
        allowed = [e for e in having if all(_holds(e, limit) for limit in limits)]
        if not allowed:
            raise UsageError(
                f"nothing on the frontier ({len(having)} evaluations) has {_unmet(having, limits)}: "
                "relax a bound or search on"
            )
        return min(allowed, key=lambda e: float(oriented([e.values([goal])], [goal])[0, 0]))

    def table(self, limit: int | None = None) -> Table:
        """A rich table, one row an evaluation: shape of the architecture and every objective with its spread."""
        return export.table(self, limit)

    def to_rows(self) -> list[dict[str, Any]]:
        """Plain data, one dictionary an evaluation: rank, id, evaluation index, architecture, measurements."""
        return export.rows(self)

    def to_arrow(self) -> pa.Table:
        """One flat row an evaluation: the architecture's fields, and value and spread of every measurement."""
        return export.arrow(self)

    def export(self, folder: str | Path) -> list[Path]:
        """Write ``<rank>-<id>.json`` for each architecture, ``frontier.json`` and ``frontier.parquet``, atomically."""
        return export.write(self, Path(folder))

    def _measured(self, wanted: str | Objective) -> Objective:
        """The objective meant by a name; a device quantity without a device means the one it was measured on."""
        names = list(dict.fromkeys(name for e in self.evaluations for name in e.measurements))
        if isinstance(wanted, str) and "@" not in wanted:
            places = [name for name in names if name.partition("@")[0] == wanted]
            if len(places) > 1:
                raise UsageError(f"{wanted} was measured on several devices; write one of {', '.join(places)}")
            wanted = places[0] if places else wanted
        if str(wanted) not in names:
            raise unknown("measured quantity", wanted, names)
        return Objective.parse(wanted)

    def _bound(self, bound: Constraint) -> Constraint:
        name = bound.objective.quantity if bound.objective.device == "any" else bound.objective.name
        return dataclasses.replace(bound, objective=self._measured(name))


def feasible(
    evaluations: Iterable[Evaluation], objectives: Sequence[Objective], constraints: Constraints = ()
) -> list[Evaluation]:
    """The whole evaluations with a finite value for every objective that satisfy every constraint, in their order.

    Those at less than the whole fidelity are left out: their values are not comparable. Failed and invalid ones have no
    value; an evaluation without the quantity of a constraint does not satisfy it. A constraint on a device quantity
    without a device means the device of the objectives.
    """
    bounds = parse_constraints(constraints, _only_device(objectives))
    return [
        e
        for e in evaluations
        if e.fidelity is None
        and (row := e.values(objectives)) is not None
        and np.isfinite(row).all()
        and all(_holds(e, bound) for bound in bounds)
    ]


def _keyword(name: str, pair: Any) -> Constraint:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise UsageError(f'{name}={pair!r} is no bound; write {name}=("<=", 50), or where="{name}<=50"')
    relation, bound = pair
    return Constraint.parse(f"{name}{relation}{bound}", "any")


def _only_device(objectives: Sequence[Objective]) -> str | None:
    devices = {objective.device for objective in objectives if objective.device}
    return devices.pop() if len(devices) == 1 else None


def _holds(evaluation: Evaluation, bound: Constraint) -> bool:
    value = evaluation.values([bound.objective])
    return value is not None and bound.holds(value[0])


def _why_empty(evaluations: Sequence[Evaluation], objectives: Sequence[Objective], constraints: Constraints) -> str:
    valued = feasible(evaluations, objectives)
    if not valued:
        return "no evaluation has a value for every objective yet"
    bounds = parse_constraints(constraints, _only_device(objectives))
    return f"nothing evaluated ({len(valued)} with values) has {_unmet(valued, bounds)}"


def _unmet(evaluations: Sequence[Evaluation], limits: Sequence[Constraint]) -> str:
    """The bounds, and how near each comes to being met, while the others hold where that is possible."""
    reasons = []
    for limit in limits:
        others = [other for other in limits if other is not limit]
        pool = [e for e in evaluations if all(_holds(e, other) for other in others)]
        values = [v[0] for e in pool or evaluations if (v := e.values([limit.objective])) is not None]
        if values:
            nearest = min(values) if limit.relation.startswith("<") else max(values)
            condition = f" (with {' and '.join(map(str, others))})" if pool and others else ""
            reasons.append(f"{limit.objective} comes to {short(nearest)} {limit.objective.unit}{condition}")
    nearest_values = f"; at best {', '.join(reasons)}" if reasons else ""
    return " and ".join(map(str, limits)) + nearest_values
