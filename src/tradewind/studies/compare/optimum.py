"""The exact optimum of a case: the whole frontier of the benchmark's means, the reference of every comparison.

The predictors are sums over layers, so the frontier of a space of 10^35 architectures is computed exactly by dynamic
programming (`tradewind.pareto.exact`).

Symbols: F points of the frontier, K points of the thinned one, M objectives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch
from tradewind.core.files import canonical_json, content_hash, parse_json, read_parquet, write_parquet
from tradewind.pareto import exact_frontier, hypervolume, normalise, oriented
from tradewind.search.spread import farthest_first, greedy_hypervolume
from tradewind.studies.clock import seconds
from tradewind.studies.compare.contest import Case

REFERENCE = 1.1
"""The reference point in every objective, where 0 and 1 are the least and the greatest mean in the whole space."""

THINNED = 1000
"""Points of the frontier, spread over it, against which distances are taken."""

MOST_POINTS = 250
"""Points beyond which it does not matter how many hold a share of the hypervolume."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scale:
    """Fixed bounds of a case: the least and the greatest mean of each objective over the whole space, to be minimised.

    `low` and `high` have shape (M,), and are oriented as `pareto.oriented` does it.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, case: Case) -> Scale:
        """From the benchmark's published bounds."""
        bounds = case.bench.bounds(case.objective_names)
        ends = oriented(np.array([bounds[name] for name in case.objective_names]).T, case.objectives)
        return cls(ends.min(axis=0), ends.max(axis=0))

    def points(self, case: Case, values: np.ndarray) -> np.ndarray:
        """Values (N, M) in their units as points to minimise, 0 to 1 within the space."""
        return normalise(oriented(values, case.objectives), self.low, self.high)


@dataclasses.dataclass(frozen=True, eq=False)
class Optimum:
    """The frontier's `values` (F, M) in units, its `hypervolume` in normalised space and the seconds it took."""

    case: Case
    scale: Scale
    values: np.ndarray
    hypervolume: float
    seconds: float

    @property
    def thinned(self) -> np.ndarray:
        """At most `THINNED` normalised points of the frontier, (K, M), spread over it; extremes included."""
        points = self.scale.points(self.case, self.values)
        return points[farthest_first(points, THINNED)]

    def points_for(self, share: float) -> int | None:
        """How many networks of the frontier, chosen greedily from the thinned one, hold a share of its hypervolume.

        None if `MOST_POINTS` do not.
        """
        points, corner = self.thinned, np.full(len(self.scale.low), REFERENCE)
        order = greedy_hypervolume(points, MOST_POINTS, np.empty((0, len(corner))), corner)
        low, high = 0, len(order)
        while low < high:
            middle = (low + high) // 2
            reached = hypervolume(points[order[:middle]], corner) >= share * self.hypervolume
            low, high = (low, middle) if reached else (middle + 1, high)
        return low if hypervolume(points[order[:low]], corner) >= share * self.hypervolume else None


def optimum(case: Case, folder: Path | None = None) -> Optimum:
    """The optimum of a case, read from `folder` where it was computed from the same predictors before."""
    if folder is None:
        return _compute(case)
    identity = content_hash([case.name, case.bench.evaluator(case.objective_names).describe()])[:16]
    path = folder / f"optimum-{identity}.parquet"
    if path.is_file():
        table = read_parquet(path)
        values = np.column_stack([table.column(name).to_numpy() for name in case.objective_names])
        facts = parse_json(table.schema.metadata[b"optimum"])
        return Optimum(case, Scale.of(case), values, facts["hypervolume"], facts["seconds"])
    found = _compute(case)
    _write(path, found)
    return found


def _compute(case: Case) -> Optimum:
    start = seconds()
    bench, objectives = case.bench, case.objectives
    front = exact_frontier(bench.space, objectives, {name: bench.additive(name) for name in case.objective_names})
    took = seconds() - start
    step = max(1, len(front) // 100)
    _check(case, front.architectures[::step], front.values[::step])
    scale = Scale.of(case)
    volume = hypervolume(scale.points(case, front.values), np.full(len(objectives), REFERENCE))
    return Optimum(case, scale, front.values, volume, took)


def _check(case: Case, archs: Sequence[Architecture], values: np.ndarray) -> None:
    """The dynamic programme and the benchmark must agree about what an architecture is worth."""
    asked = case.bench.query_many(ArchitectureBatch.of(archs), case.objective_names)
    for column, name in enumerate(case.objective_names):
        assert np.allclose(asked[name], values[:, column], rtol=1e-9), f"{case.name}: {name} differs from its parts"


def _write(path: Path, found: Optimum) -> None:
    import pyarrow as pa

    facts = {"hypervolume": found.hypervolume, "seconds": round(found.seconds, 3), "points": len(found.values)}
    columns = {name: found.values[:, i] for i, name in enumerate(found.case.objective_names)}
    write_parquet(path, pa.table(columns).replace_schema_metadata({"optimum": canonical_json(facts)}))
