"""Calibrated search: measure a few well-chosen networks, fit the device's prices, search exactly, measure, refit.

The cost of a network is nearly additive over its layers, so a few dozen measurements fix a model of it
(`tradewind.predictors.cost_model`; `tradewind.predictors.quality_model` for what is no cost of a device), and the
frontier of the model over the whole space can be computed exactly (`tradewind.pareto.exact`). What remains is to
measure the networks of that frontier which add most to the measured one, to fit again with them, and to stop when two
rounds have changed nothing. Only measured values count in the result; the model only says where to look: there what
was measured stands where the model sees it, free of its noise.

Everything is a function of the problem, the settings and the evaluations in their order: round r is planned from the
evaluations before it, whatever has been told since.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np

from tradewind.core import Evaluation, Objective, Problem, UsageError
from tradewind.core.layerwise import Layerwise
from tradewind.pareto import (
    exact_frontier,
    hypervolume,
    nondominated_mask,
    oriented,
    reference_point,
    supported_frontier,
)
from tradewind.predictors.cost_model import FEWEST, CostModel, fit_cost_model
from tradewind.predictors.features import QUANTITIES
from tradewind.predictors.quality_model import FEWEST as FEWEST_VALUES
from tradewind.predictors.quality_model import QualityModel, fit_quality_model
from tradewind.search.base import AskTell
from tradewind.search.designed import designed
from tradewind.search.settings import Settings, setting
from tradewind.search.spread import farthest_first, greedy_hypervolume, unit_range

GROWTH = 4
"""A round has at least the number measured before it divided by this: late fits change little and cost as much."""
SHORTLIST = 400
"""Points of the predicted frontier, spread over it, among which the next to measure are chosen by hypervolume."""


@dataclasses.dataclass(frozen=True)
class CalibratedSettings(Settings):
    """Settings of `Calibrated`."""

    measurements: int = setting(24, "networks measured to fit the first model", low=4)
    round: int = setting(8, "fewest networks measured before the model is fitted again", low=1)
    patience: int = setting(2, "rounds without gain after which the search ends; 0: never", low=0)
    tolerance: float = setting(1e-3, "relative gain in hypervolume below which a round gained nothing", low=0.0)
    epsilon: float = setting(0.0, "allowed relative shortfall of the predicted frontier; 0 is exact", low=0.0, high=1.0)
    weights: int = setting(0, "weighted sums to search for beyond two objectives; 0: the exact frontier", low=0)


class Calibrated(AskTell):
    """Fit a device's prices to few measurements, search the whole space exactly on them, measure what is best.

    Objectives are closed forms, quantities of a device that have a physical model, and any positive quantity else.
    Raises `UsageError` for a space that is not made of layers. See the module's text for the method.

    The preset ``thrifty`` is for evaluations without noise to speak of, or all to be spent: a smaller design, smaller
    rounds, no end before the budget's.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> from tradewind.costs.layerwise import closed_form
    >>> objectives = parse_objectives("decoder_params,latency_ms@cpu")
    >>> parts = {"decoder_params": closed_form("decoder_params")}
    >>> problem = Problem(spaces.get("gpt2"), objectives, 0, lambda c: np.ones(len(c), bool), layerwise=parts)
    >>> len(Calibrated(problem).ask(50))
    24
    """

    settings_type = CalibratedSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "thrifty": {"measurements": 12, "round": 4, "patience": 0, "weights": 200}
    }
    judges_constraints = True
    settings: CalibratedSettings

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._log: list[Evaluation] = []
        self._plan = lru_cache(maxsize=None)(self._make_plan)
        self._settled = lru_cache(maxsize=None)(self._is_settled)
        wanted = {o.name: o for o in (*problem.objectives, *(c.objective for c in problem.constraints))}
        self._fitted = [o for name, o in wanted.items() if name not in problem.layerwise]
        if not hasattr(problem.space, "layer_options"):
            raise UsageError(
                f"{getattr(problem.space, 'name', problem.space)} is not made of layers, so its frontier cannot be "
                "computed; search it with another algorithm, e.g. local-search"
            )

    def propose(self, position: int) -> Any | None:
        """A network of the design, then of the rounds; None while a round's results are awaited, or at the end.

        Where nothing planned is left, as in a space whose frontier has been measured, a random new one.
        """
        number, start = self._round_of(position)
        place = position - start
        if number < 0:
            planned = self._design
        elif self.told < start or self._settled(number):
            return None
        else:
            planned = self._plan(number)
        # A planned network may have been measured beside the search (a baseline): the next one takes its place.
        chosen = next((arch for arch in planned[place:] if arch.id not in self.seen), None)
        return chosen or self.fresh.draw(self.seen, "calibrated", position)

    def learn(self, evaluation: Evaluation) -> None:
        """Keep it for the next fit."""
        self._log.append(evaluation)

    def models(self, told: int | None = None) -> dict[str, CostModel | QualityModel]:
        """The models fitted to the first `told` evaluations (all, if not given), by objective name."""
        return {objective.name: self._fit(objective, self._log[:told]) for objective in self._fitted}

    @cached_property
    def _design(self) -> list[Any]:
        return designed(self.problem, self.fresh, self.settings.measurements)

    def _start(self, number: int) -> int:
        """The position where a round starts: the number of evaluations that it is planned from."""
        start = self.settings.measurements
        for _ in range(number):
            start += max(self.settings.round, start // GROWTH)
        return start

    def _round_of(self, position: int) -> tuple[int, int]:
        """The round of a position and where it starts; -1 and 0 for the design."""
        if position < self.settings.measurements:
            return -1, 0
        number = next(n for n in itertools.count() if position < self._start(n + 1))
        return number, self._start(number)

    def _make_plan(self, number: int) -> list[Any]:
        """Networks to measure in a round, planned from all evaluations before it."""
        problem, told = self.problem, self._start(number)
        before, size = self._log[:told], self._start(number + 1) - told
        if any(len(self._known(o, before)) < self._fewest(o) for o in self._fitted):
            return []
        models = {o.name: self._fit(o, before) for o in self._fitted}
        parts: dict[str, Layerwise] = {**problem.layerwise, **{n: m.layerwise(n) for n, m in models.items()}}
        space: Any = problem.space
        if self.settings.weights and len(problem.objectives) > 2:
            front = supported_frontier(
                space, problem.objectives, parts, problem.constraints, self.settings.weights, number
            )
        else:
            front = exact_frontier(space, problem.objectives, parts, problem.constraints, self.settings.epsilon)
        known = {evaluation.candidate.id for evaluation in before}
        new = [i for i, arch in enumerate(front.architectures) if arch.id not in known]
        new = [
            i for i, holds in zip(new, problem.feasible([front.architectures[i] for i in new]), strict=True) if holds
        ]
        if not new:
            return []
        predicted = oriented(front.values, problem.objectives)[new]
        seen = self._seen_by(models, before)
        best = seen[nondominated_mask(seen)] if len(seen) else seen
        scale = np.vstack([predicted, best])
        predicted, best = unit_range(predicted, scale), unit_range(best, scale)
        short = farthest_first(predicted, SHORTLIST)
        picks = greedy_hypervolume(predicted[short], size, best, reference_point(np.vstack([predicted[short], best])))
        chosen = [short[i] for i in picks]
        if len(chosen) < size:
            rest = [i for i in farthest_first(predicted, len(chosen) + size, best) if i not in chosen]
            chosen += rest[: size - len(chosen)]
        return [front.architectures[new[i]] for i in chosen]

    def _is_settled(self, number: int) -> bool:
        """Whether none of the last `patience` rounds before this one gained as much as the tolerance."""
        patience = self.settings.patience
        measured = self._points(self._log[: self._start(number)])
        if not patience or number < patience or not len(measured):
            return False
        corner = reference_point(measured)
        volumes = [
            hypervolume(self._points(self._log[: self._start(number - back)]), corner) for back in range(patience + 1)
        ]
        return all(before >= now * (1 - self.settings.tolerance) for now, before in itertools.pairwise(volumes))

    def _points(self, evaluations: list[Evaluation]) -> np.ndarray:
        """Oriented objective values of the evaluations that have them all and hold the constraints, (N, M)."""
        rows = [values for e in evaluations if self._holds(e) and (values := e.values(self.problem.objectives))]
        return oriented(np.array(rows, dtype=float).reshape(-1, len(self.problem.objectives)), self.problem.objectives)

    def _seen_by(self, models: Mapping[str, CostModel | QualityModel], evaluations: list[Evaluation]) -> np.ndarray:
        """`_points` with the models' values for what they model."""
        objectives = self.problem.objectives
        found = [e for e in evaluations if self._holds(e) and e.values(objectives) is not None]
        if not found:
            return np.empty((0, len(objectives)))
        archs = [e.candidate for e in found]
        measured = np.array([e.values(objectives) for e in found], dtype=float)
        for column, objective in enumerate(objectives):
            if objective.name in models:
                measured[:, column] = models[objective.name].predict(archs)
        return oriented(measured, objectives)

    def _holds(self, evaluation: Evaluation) -> bool:
        """Whether the constraints hold, as far as they were measured."""
        bounds = [(evaluation.values([c.objective]), c) for c in self.problem.constraints]
        return all(found is None or constraint.holds(found[0]) for found, constraint in bounds)

    def _fit(self, objective: Objective, evaluations: list[Evaluation]) -> CostModel | QualityModel:
        archs, values = zip(*self._known(objective, evaluations), strict=True)
        if objective.quantity in QUANTITIES:
            return fit_cost_model(objective.quantity, archs, values, self.problem.workload)
        return fit_quality_model(self.problem.space, archs, values)

    @staticmethod
    def _fewest(objective: Objective) -> int:
        """Values without which an objective has no model."""
        return FEWEST if objective.quantity in QUANTITIES else FEWEST_VALUES

    @staticmethod
    def _known(objective: Objective, evaluations: list[Evaluation]) -> list[tuple[Any, float]]:
        """The candidates with a positive value of an objective, and these values."""
        pairs = [(e.candidate, e.values([objective])) for e in evaluations]
        return [(arch, values[0]) for arch, values in pairs if values is not None and values[0] > 0]
