"""The exact frontier as an algorithm: nothing to learn, only to propose, best spread first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from tradewind.core import Evaluation, Problem
from tradewind.pareto import ExactFrontier, exact_frontier, oriented
from tradewind.pareto.exact import parts_needed
from tradewind.search.base import AskTell
from tradewind.search.settings import Settings, setting
from tradewind.search.spread import farthest_first, unit_range

ORDERED = (100, 1000)
"""Frontier points put in order of spread, at first and once these are used up; later ones follow as they stand."""


@dataclasses.dataclass(frozen=True)
class ExactSettings(Settings):
    """Settings of `Exact`."""

    epsilon: float = setting(0.0, "allowed relative shortfall in every term; 0 is exact", low=0.0, high=1.0)


class Exact(AskTell):
    """The exact frontier of layerwise objectives, computed by dynamic programming over layers.

    Every proposal is non-dominated in the whole space; any beginning of the order is spread over the frontier. Raises
    `UsageError` where an objective or a constrained quantity is not known layer by layer. See `pareto.exact` for the
    proof.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> from tradewind.costs.layerwise import closed_form
    >>> objectives = parse_objectives("decoder_params,flops")
    >>> parts = {o.name: closed_form(o.quantity) for o in objectives}
    >>> space = spaces.get("gpt2", n_layer="2..4")
    >>> problem = Problem(space, objectives, 0, lambda c: np.ones(len(c), bool), layerwise=parts)
    >>> {arch.n_layer for arch in Exact(problem).ask(2)}
    {2, 4}
    """

    settings_type = ExactSettings
    settings: ExactSettings

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        parts_needed(problem.objectives, problem.layerwise, problem.constraints)
        self._made: list[Any] = []

    def propose(self, position: int) -> Any | None:
        """The next frontier point that was not seen, in order of spread; None after the last."""
        new = (arch for arch in self._networks() if arch.id not in self.seen)
        return next((arch for arch in new if self.problem.feasible([arch])[0]), None)

    def learn(self, evaluation: Evaluation) -> None:
        """Nothing: the frontier is known already."""

    def _networks(self) -> Iterator[Any]:
        """The frontier in order of spread, which is found, and its architectures made, as far as it is looked at."""
        yield from self._made
        front = self._front
        points = oriented(front.values, self.problem.objectives)
        for count in (*ORDERED, len(front)):
            if min(count, len(front)) <= len(self._made):
                continue
            order = farthest_first(unit_range(points, points), min(count, ORDERED[-1]))
            if count > ORDERED[-1]:
                order += sorted(set(range(len(front))) - set(order))
            more = front.architectures.take(order[len(self._made) :])
            self._made += more
            yield from more

    @cached_property
    def _front(self) -> ExactFrontier:
        problem = self.problem
        return exact_frontier(
            problem.space,  # type: ignore[arg-type]
            problem.objectives,
            problem.layerwise,
            problem.constraints,
            self.settings.epsilon,
        )
