"""Aging evolution: the oldest of the population makes room, whatever its worth.

Source: regularized evolution (Real, Aggarwal, Huang and Le 2019, arXiv 1802.01548) as So et al. 2021 (arXiv 2109.08668,
section 2) search programs with it: a tournament draws members of the population with replacement, the best of them is
the parent of one child by mutation, and the child takes the place of the oldest. In a space that has a `start` the
population begins as copies of it, which are evaluated once; elsewhere it begins with random candidates. With several
objectives a tournament goes by rank of non-domination, then by crowding.

Candidates without values (failed, or beyond a constraint) take a place, grow old and win no tournament.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from tradewind.core import Evaluation, Problem
from tradewind.search.breeding import Breeder, BreederSettings
from tradewind.search.ranking import best_first
from tradewind.search.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class AgingSettings(BreederSettings):
    """Settings of `AgingEvolution`."""

    population: int = setting(100, "members that live at a time", low=1)
    tournament: int = setting(10, "members drawn, with replacement, of which the best is the parent", low=1)


class AgingEvolution(Breeder):
    """Regularized evolution: a tournament's winner has a child, and the oldest member goes.

    >>> import numpy as np
    >>> from tradewind import programs
    >>> from tradewind.core import Problem, parse_objectives
    >>> space = programs.ProgramSpace()
    >>> problem = Problem(space, parse_objectives("perplexity"), 0, lambda c: np.ones(len(c), bool))
    >>> first, second = AgingEvolution(problem).ask(2)
    >>> first == space.start != second
    True
    """

    settings_type = AgingSettings
    settings: AgingSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"primer": {"population": 100, "tournament": 10}}

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._start = getattr(problem.space, "start", None)
        copies = [] if self._start is None else [self._start] * self.settings.population
        self._population: deque[Any] = deque(copies, maxlen=self.settings.population)
        self._points: dict[str, tuple[float, ...]] = {}
        self._origins: dict[str, dict[str, Any]] = {}

    @property
    def initial(self) -> int:
        """Random candidates before the first child; none where there is a start."""
        return self.settings.population if self._start is None else 0

    @property
    def parents(self) -> int:
        """The members of the population with values, or copies of the start."""
        return len(self._population) if self._start is not None else len(self._valued_members())

    def origin(self, candidate: Any) -> Mapping[str, Any]:
        """What is known of how a proposal came about: its parent's id, mutations, and children rejected before it."""
        return self._origins.get(candidate.id, {})

    def propose(self, position: int) -> Any | None:
        """The start first, then children."""
        if self._start is not None and self._start.id not in self.seen:
            return self._start
        return super().propose(position)

    def learn(self, evaluation: Evaluation) -> None:
        """Take in every candidate, also one without values; the start is there already."""
        super().learn(evaluation)
        if self._start is None or evaluation.candidate.id != self._start.id:
            self._population.append(evaluation.candidate)

    def add(self, candidate: Any, point: tuple[float, ...]) -> None:
        """Remember what a candidate is worth."""
        self._points[candidate.id] = point

    def breed(self, rng: np.random.Generator) -> Any:
        """A step away from the winner of a tournament."""
        parent, space = self._winner(rng), self.problem.space
        origin: dict[str, Any] = {"parent": parent.id}
        if hasattr(space, "mutant"):
            step = space.mutant(parent, rng)
            child = step.program
            origin |= {"mutations": list(step.mutations), "rejected": dict(step.rejected)}
        else:
            child = space.step(parent, rng, self.settings.spread)
        self._origins.setdefault(child.id, origin)
        return child

    def _winner(self, rng: np.random.Generator) -> Any:
        drawn = [self._population[i] for i in rng.integers(len(self._population), size=self.settings.tournament)]
        valued = [member for member in drawn if member.id in self._points] or self._valued_members()
        if not valued:
            return drawn[0]
        return valued[int(best_first(np.array([self._points[member.id] for member in valued]), 1)[0])]

    def _valued_members(self) -> list[Any]:
        return [member for member in self._population if member.id in self._points]
