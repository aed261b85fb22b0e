"""What the measurements say about the device: its prices, how far they can be trusted, and what they leave to find.

For every measured quantity with a physical model (`tradewind.predictors.features`) the model is fitted to the study's
own measurements. Three things follow: how well each measurement is foretold when it is left out, what each kind of work
costs in the networks of the frontier, and, from the exact frontier of the fitted models, how much hypervolume the model
still expects beyond what was measured.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from tradewind.core import Evaluation, Objective, UsageError
from tradewind.core.layerwise import Layerwise
from tradewind.costs import quantities
from tradewind.costs.layerwise import closed_form
from tradewind.pareto import exact_frontier, hypervolume, oriented
from tradewind.pareto.wording import evenly
from tradewind.predictors.cost_model import CostModel, fit_cost_model
from tradewind.predictors.features import QUANTITIES
from tradewind.reports.data import ReportData

FEWEST = 8
"""Measurements without which a model is not shown."""
MOST = 160
"""Measurements that a model is fitted to, evenly spaced over the search: leaving out each of more takes minutes."""


@dataclasses.dataclass(frozen=True)
class Prices:
    """The model of one objective: `measured` (n,) values and `foretold` (n,), each when it was left out of the fit."""

    objective: Objective
    model: CostModel
    evaluations: tuple[Evaluation, ...]
    measured: np.ndarray
    foretold: np.ndarray

    @property
    def median_error(self) -> float:
        """Median relative error of measurements that were left out."""
        return float(np.median(np.abs(self.foretold / self.measured - 1)))

    @property
    def bars(self) -> tuple[np.ndarray, np.ndarray]:
        """Half-lengths of error bars, (n,) each: half the inter-quartile range of what was measured, and the 90%
        interval of what was foretold (none where the measurements are too few for it).
        """
        spread = [e.measurements[self.objective.name].spread or 0.0 for e in self.evaluations]
        width = self.model.half_width(0.9)
        return np.array(spread) / 2, self.foretold * (width if np.isfinite(width) else 0.0)

    def shares(self, frontier: Sequence[Evaluation]) -> dict[str, np.ndarray]:
        """What each kind of work costs in each network of the frontier, dearest kind first."""
        parts = self.model.breakdown([e.candidate for e in frontier])
        return dict(sorted(parts.items(), key=lambda part: -float(np.sum(part[1]))))


@functools.lru_cache(maxsize=1)
def prices(data: ReportData) -> tuple[Prices, ...]:
    """The models of the measured objectives, where there are enough measurements."""
    if data.workload is None:
        return ()
    found = []
    for objective in data.objectives:
        if objective.quantity not in QUANTITIES:
            continue
        known = [e for e in data.evaluations if (values := e.values([objective])) and values[0] > 0]
        known = [e for e in known if not e.measurements[objective.name].predicted]
        if len(known) < FEWEST:
            continue
        chosen = evenly(known, MOST)
        measured = np.array([e.values([objective])[0] for e in chosen])  # type: ignore[index]
        model = fit_cost_model(objective.quantity, [e.candidate for e in chosen], measured, data.workload)
        found.append(Prices(objective, model, tuple(chosen), measured, measured * (1 + np.array(model.errors))))
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class Remainder:
    """What the model expects beyond the measured frontier: `points` networks of its own, `gain` in hypervolume."""

    points: int
    gain: float

    def sentence(self) -> str:
        """The finding in words."""
        return (
            f"The exact frontier of the fitted model over the whole space has {self.points:,} networks; if all of them "
            f"were measured and came out as foretold, the hypervolume would grow by {100 * self.gain:.1f} %."
        )


@functools.lru_cache(maxsize=1)
def remainder(data: ReportData) -> Remainder | None:
    """The remainder of a calibrated search; None where its frontier cannot be computed."""
    models = prices(data)
    if data.space is None or data.reference is None or data.setup.get("algorithm") != "calibrated":
        return None
    parts: dict[str, Layerwise] = {found.objective.name: found.model.layerwise() for found in models}
    wanted = [*data.objectives, *(c.objective for c in data.constraints)]
    parts |= {o.name: closed_form(o.quantity, data.workload) for o in wanted if o.quantity in quantities()}
    try:
        front = exact_frontier(data.space, data.objectives, parts, data.constraints)
    except UsageError:
        return None
    own, expected = data.points(data.frontier), oriented(front.values, data.objectives)
    volume = hypervolume(own, data.reference)
    return Remainder(len(front), hypervolume(np.vstack([own, expected]), data.reference) / volume - 1)
