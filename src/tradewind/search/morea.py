"""MOREA: multi-objective regularised evolution, in which the oldest die rather than the worst.

Source: Real et al. 2019, arXiv 1802.01548 (aging evolution); with the best of a sample found by non-dominated sorting,
as in the comparison of HW-GPT-Bench (Sukthanker et al. 2024, arXiv 2405.10299). Ranks and crowding distances are those
of the whole population. Those of a sample of ten, tried as well, make parents of its extremes only, since all points of
a front as small as its are extreme or nearly so; that lost one to three per cent of hypervolume at 200 evaluations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tradewind.core import Problem
from tradewind.pareto import crowding_distance, nondominated_rank
from tradewind.search.breeding import Breeder, BreederSettings
from tradewind.search.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class MOREASettings(BreederSettings):
    """Settings of `MOREA`."""

    population: int = setting(50, "youngest candidates that may be parents", low=2)
    sample: int = setting(10, "candidates drawn from the population to find a parent", low=1)
    initial: int = setting(20, "candidates before the first child", low=1)


class MOREA(Breeder):
    """Aging evolution: the best of a random sample has a child, the oldest dies.

    The best is the first by rank of non-domination and then the loneliest of its front.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params"), 0, lambda c: np.ones(len(c), bool))
    >>> len(MOREA(problem).ask(50))
    50
    """

    settings_type = MOREASettings
    settings: MOREASettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hwgpt": {"population": 100, "sample": 10, "initial": 100, "corners": False, "spread": False},
    }

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._candidates: list[Any] = []
        self._points = np.empty((self.settings.population, len(problem.objectives)))
        self._oldest = 0
        self._ranks: np.ndarray | None = None
        self._distances: dict[int, np.ndarray] = {}

    @property
    def initial(self) -> int:
        """As set."""
        return self.settings.initial

    @property
    def parents(self) -> int:
        """The living."""
        return len(self._candidates)

    def add(self, candidate: Any, point: tuple[float, ...]) -> None:
        """The candidate is born; where there is no place, in that of the oldest one."""
        if len(self._candidates) < len(self._points):
            self._points[len(self._candidates)] = point
            self._candidates.append(candidate)
        else:
            self._points[self._oldest] = point
            self._candidates[self._oldest] = candidate
            self._oldest = (self._oldest + 1) % len(self._candidates)
        self._ranks = None

    def breed(self, rng: np.random.Generator) -> Any:
        """A step away from the best of a sample, drawn with replacement."""
        parent = self._best(rng.integers(len(self._candidates), size=self.settings.sample))
        return self.problem.space.step(self._candidates[parent], rng, self.settings.spread)

    def _best(self, drawn: np.ndarray) -> int:
        alive = self._points[: len(self._candidates)]
        if self._ranks is None:
            self._ranks, self._distances = nondominated_rank(alive), {}
        ranks = self._ranks[drawn]
        rank = int(ranks.min())
        if rank not in self._distances:
            front = np.flatnonzero(self._ranks == rank)
            self._distances[rank] = np.full(len(alive), -1.0)
            self._distances[rank][front] = crowding_distance(alive[front])
        return int(drawn[self._distances[rank][drawn].argmax()])
