"""Multi-objective local search: change a little what is on the front.

Source: the local search of HW-GPT-Bench's comparison (Sukthanker et al. 2024, arXiv 2405.10299): a random member of the
front of everything evaluated is taken and one of its genes changed (a Pareto local search, Paquete, Chiarandini and
Stützle 2004, one neighbour at a time). There dead genes were changed too, which measured a candidate again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tradewind.core import Problem
from tradewind.pareto import Archive, crowding_distance
from tradewind.search.breeding import Breeder, BreederSettings
from tradewind.search.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class LocalSearchSettings(BreederSettings):
    """Settings of `LocalSearch`."""

    initial: int = setting(20, "candidates before the first step", low=1)
    tournament: int = setting(4, "members of the front drawn, of which the loneliest is changed", low=1)


class LocalSearch(Breeder):
    """Steps away from members of the front, restarted at random where nothing new is near.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params"), 0, lambda c: np.ones(len(c), bool))
    >>> len(LocalSearch(problem).ask(50))
    50
    """

    settings_type = LocalSearchSettings
    settings: LocalSearchSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "hwgpt": {"initial": 1, "tournament": 1, "corners": False, "spread": False},
    }

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._archive = Archive(len(problem.objectives))
        self._candidates: list[Any] = []
        self._front = np.empty(0, dtype=np.int64)
        self._distances = np.empty(0)

    @property
    def initial(self) -> int:
        """As set."""
        return self.settings.initial

    @property
    def parents(self) -> int:
        """The front."""
        return len(self._archive)

    def add(self, candidate: Any, point: tuple[float, ...]) -> None:
        """Put the candidate into the front if it belongs there."""
        self._candidates.append(candidate)
        if self._archive.add(point):
            self._front = np.empty(0, dtype=np.int64)

    def breed(self, rng: np.random.Generator) -> Any:
        """A step away from the loneliest of a few members of the front."""
        if not len(self._front):
            self._front, self._distances = self._archive.indices, crowding_distance(self._archive.points)
        drawn = rng.integers(len(self._front), size=self.settings.tournament)
        parent = self._candidates[self._front[drawn[self._distances[drawn].argmax()]]]
        return self.problem.space.step(parent, rng, self.settings.spread)
