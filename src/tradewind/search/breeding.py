"""What evolution and local search share: starts, then children of what was told, each feasible and new."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Problem
from tradewind.core.seeds import Streams
from tradewind.search.base import AskTell
from tradewind.search.ranking import signs
from tradewind.search.settings import Settings, setting
from tradewind.search.starts import Starts


@dataclasses.dataclass(frozen=True)
class BreederSettings(Settings):
    """Settings of every `Breeding`."""

    corners: bool = setting(True, "start with the smallest and largest choices before random candidates")
    spread: bool = setting(True, "a mutation puts its value into a random number of layers; else it changes one gene")
    patience: int = setting(100, "tries for a feasible new child before a random one takes its place", low=1)


class Breeding(AskTell):
    """Base of the algorithms whose proposals are changed or crossed parents; a subclass says which and how."""

    settings_type = BreederSettings
    settings: BreederSettings

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._starts = Starts(problem, self.fresh, self.settings.corners)
        self._streams = Streams(problem.seed, "breed")

    @property
    @abstractmethod
    def initial(self) -> int:
        """Candidates before the first child."""

    @property
    @abstractmethod
    def parents(self) -> int:
        """How many may have children now."""

    @abstractmethod
    def breed(self, rng: np.random.Generator) -> Any:
        """A child of the present parents, a member of the space; it may be infeasible or known."""

    def propose(self, position: int) -> Any | None:
        """A start, then children of the parents that there are at this position."""
        if position < self.initial or not self.parents:
            return self._starts.draw(self.seen, position)
        rng = self._streams.at(position)
        tries, patience = 0, self.settings.patience
        while tries < patience:
            batch = min(max(tries, 1), 32, patience - tries)
            tries += batch
            new = [child for child in (self.breed(rng) for _ in range(batch)) if child.id not in self.seen]
            if new:
                holds = self.problem.feasible(new)
                if holds.any():
                    return new[int(holds.argmax())]
        return self.fresh.draw(self.seen, "breed", position)


class Breeder(Breeding):
    """Base of those that learn from whole evaluations with values, each candidate's first.

    Candidates without values (failed, or beyond a measured constraint) are never parents, and nothing is learnt from
    measuring one a second time.
    """

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._signs = signs(problem.objectives)
        self._valued: set[str] = set()

    @abstractmethod
    def add(self, candidate: Any, point: tuple[float, ...]) -> None:
        """Take in a candidate that has values for the first time; the point holds them, all to be minimised."""

    def learn(self, evaluation: Evaluation) -> None:
        """Take in a candidate with values."""
        candidate, values = evaluation.candidate, evaluation.values(self.problem.objectives)
        if values is not None and candidate.id not in self._valued:
            self._valued.add(candidate.id)
            self.add(candidate, tuple(sign * value for sign, value in zip(self._signs, values, strict=True)))
