"""What model-based algorithms share: a start, then rounds, each planned from what was told before it began.

A round's plan is a function of the problem, the settings and the evaluations before the round, so it can be made again
when a search resumes in the middle of one.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tradewind.core import Evaluation, Problem
from tradewind.search.base import AskTell
from tradewind.search.settings import Settings, setting
from tradewind.search.starts import Starts

FEWEST = 4
"""Candidates with values below which nothing is planned: random ones come instead."""


@dataclasses.dataclass(frozen=True)
class RoundsSettings(Settings):
    """Settings of every `Rounds`."""

    initial: int = setting(20, "candidates before the first round", low=1)
    round: int = setting(10, "candidates planned together, before the model is fitted again", low=1)
    corners: bool = setting(True, "start with the smallest and largest choices before random candidates")


class Rounds(AskTell):
    """Base of the algorithms that plan several candidates at a time; a subclass says how."""

    settings_type = RoundsSettings
    settings: RoundsSettings

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._starts = Starts(problem, self.fresh, self.settings.corners)
        self._log: list[Evaluation] = []
        self._planned = lru_cache(maxsize=4)(self._make)

    def start(self, position: int) -> Any | None:
        """What comes before the first round: corners of the space, then random candidates."""
        return self._starts.draw(self.seen, position)

    @abstractmethod
    def plan(self, number: int, evaluations: Sequence[Evaluation]) -> list[Any]:
        """Up to a round's number of feasible candidates that are not among the evaluations, best first."""

    def learn(self, evaluation: Evaluation) -> None:
        """Keep it for the next plan."""
        self._log.append(evaluation)

    def propose(self, position: int) -> Any | None:
        """A start, then what the round has planned; where nothing planned is left, a random new candidate."""
        number, place = divmod(position - self.settings.initial, self.settings.round)
        if number < 0:
            return self.start(position)
        planned = self._planned(number, min(self.told, position - place))
        # A planned candidate may be out already, or measured beside the search: the next one takes its place.
        chosen = next((candidate for candidate in planned[place:] if candidate.id not in self.seen), None)
        return chosen or self.fresh.draw(self.seen, "rounds", position)

    def _make(self, number: int, told: int) -> list[Any]:
        known = self._log[:told]
        valued = {e.candidate.id for e in known if e.values(self.problem.objectives) is not None}
        return self.plan(number, known) if len(valued) >= FEWEST else []

    def fitted_at(self, number: int) -> int:
        """How many evaluations hyperparameters are learnt from in a round: all at first, then now and then.

        They settle early, and learning them is what costs; they are learnt again when two fifths more is known.
        """
        count = self.settings.initial
        for round_number in range(1, number + 1):
            now = self.settings.initial + round_number * self.settings.round
            count = now if now >= 1.4 * count else count
        return count
