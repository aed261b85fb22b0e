"""NSGA-II: the elitist evolutionary search by non-dominated sorting and crowding.

Source: Deb, Pratap, Agarwal and Meyarivan 2002, IEEE TEC 6(2). Binary tournaments by the crowded comparison choose the
parents, and parents and children together are sorted to choose the next parents. Deb's operators are for real numbers;
here a child is a uniform cross of two parents, or a copy of one, and one step away from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tradewind.core import Evaluation, Problem
from tradewind.search.breeding import Breeder, BreederSettings
from tradewind.search.ranking import best_first
from tradewind.search.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class NSGA2Settings(BreederSettings):
    """Settings of `NSGA2`."""

    population: int = setting(20, "parents, and children of a generation", low=2)
    crossover: float = setting(0.5, "probability that a child is a cross of two parents", low=0.0, high=1.0)


class NSGA2(Breeder):
    """Non-dominated sorting with crowding and elitism (NSGA-II).

    A generation ends when all evaluations of the one before are told; what is asked beyond its end belongs to it still,
    so nothing waits for slow evaluations.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params"), 0, lambda c: np.ones(len(c), bool))
    >>> len(NSGA2(problem).ask(50))
    50
    """

    settings_type = NSGA2Settings
    settings: NSGA2Settings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hwgpt": {"population": 20, "corners": False, "spread": False},
    }

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._parents: list[Any] = []
        self._points: list[tuple[float, ...]] = []
        self._born: list[tuple[Any, tuple[float, ...]]] = []
        self._end = self.settings.population

    @property
    def initial(self) -> int:
        """The first population."""
        return self.settings.population

    @property
    def parents(self) -> int:
        """The survivors of the last generation."""
        return len(self._parents)

    def add(self, candidate: Any, point: tuple[float, ...]) -> None:
        """Keep a child for the end of the generation."""
        self._born.append((candidate, point))

    def learn(self, evaluation: Evaluation) -> None:
        """Keep the values; at the end of a generation choose the survivors."""
        super().learn(evaluation)
        if self.told >= self._end:
            self._end += self.settings.population
            self._survive()

    def breed(self, rng: np.random.Generator) -> Any:
        """A step away from a cross of two winners of tournaments, or from one of them."""
        space = self.problem.space
        child = self._winner(rng)
        if rng.random() < self.settings.crossover:
            child = space.crossover(child, self._winner(rng), rng)
        return space.step(child, rng, self.settings.spread)

    def _winner(self, rng: np.random.Generator) -> Any:
        """The better of two parents; they stand best first."""
        return self._parents[int(min(rng.random(2)) * len(self._parents))]

    def _survive(self) -> None:
        candidates = [*self._parents, *(candidate for candidate, _ in self._born)]
        points = [*self._points, *(point for _, point in self._born)]
        self._born = []
        if points:
            kept = best_first(np.array(points), self.settings.population).tolist()
            self._parents, self._points = [candidates[i] for i in kept], [points[i] for i in kept]
