"""Designed measurements: the candidates that say most about a device's prices, for calibrating it."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

from tradewind.core import Evaluation, Problem
from tradewind.predictors.design import design, pool_of
from tradewind.predictors.features import QUANTITIES
from tradewind.predictors.quality_design import mixed_pool, quality_design
from tradewind.search.base import AskTell
from tradewind.search.fresh import Fresh
from tradewind.search.settings import Settings, setting

POOL_PER_PICK = 4
"""Feasible candidates wanted in the pool for each one that is chosen."""


@dataclasses.dataclass(frozen=True)
class DesignedSettings(Settings):
    """Settings of `Designed`."""

    measurements: int = setting(32, "networks in the design", low=4)


class Designed(AskTell):
    """A D-optimal design for the prices of a device, in random order; then nothing more.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> objectives = parse_objectives("latency_ms@cpu")
    >>> problem = Problem(spaces.get("gpt2"), objectives, 0, lambda c: np.ones(len(c), bool))
    >>> len(Designed(problem).ask(100))
    32
    """

    settings_type = DesignedSettings
    settings: DesignedSettings

    def propose(self, position: int) -> Any | None:
        """The next member of the design that was not seen."""
        return next((arch for arch in self._design if arch.id not in self.seen), None)

    def learn(self, evaluation: Evaluation) -> None:
        """Nothing: the design does not depend on what is measured."""

    @cached_property
    def _design(self) -> list[Any]:
        return designed(self.problem, self.fresh, self.settings.measurements)


def designed(problem: Problem, fresh: Fresh, n: int) -> list[Any]:
    """A design of `n` feasible candidates for the problem's first modelled quantity (latency, if it has none).

    Where an objective is neither a closed form nor modelled, the design is for it too.
    """
    learnt = any(o.quantity not in QUANTITIES and o.name not in problem.layerwise for o in problem.objectives)
    pool = mixed_pool(problem.space, problem.seed) if learnt else pool_of(problem.space, problem.seed)
    feasible = [arch for arch, holds in zip(pool, problem.feasible(pool), strict=True) if holds]
    taken = {arch.id for arch in feasible}
    while len(feasible) < min(POOL_PER_PICK * n, len(pool)):
        more = fresh.draw(taken, "design", len(feasible))
        if more is None:
            break
        taken.add(more.id)
        feasible.append(more)
    quantity = next((o.quantity for o in problem.objectives if o.quantity in QUANTITIES), "latency_ms")
    if learnt and feasible:
        return quality_design(problem.space, feasible, n, problem.seed, quantity, problem.workload)
    return design(feasible, n, problem.seed, quantity, problem.workload) if feasible else []
