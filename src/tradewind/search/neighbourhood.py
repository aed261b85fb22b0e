"""Guided search: the whole neighbourhood of a candidate, every member once, and then that of the best one found.

A systematic descent: where single mutations drawn at random meet a useful change once in thousands, walking through all
of them meets it surely, and ranks it against every other change. The order within a neighbourhood is drawn from the
seed, so that a run that is cut off has seen a fair sample of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Problem
from tradewind.core.seeds import generator
from tradewind.search.base import AskTell
from tradewind.search.ranking import best_first, signs
from tradewind.search.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class NeighbourhoodSettings(Settings):
    """Settings of `Neighbourhood`."""

    centres: int = setting(
        1,
        "candidates whose neighbourhoods are walked, each the best found before; 0: as many as there is budget for",
        low=0,
    )


class Neighbourhood(AskTell):
    """Every neighbour of the space's start (or of a random candidate), then of the best found, and so on.

    With several objectives the best is the loneliest member of the front. Where nothing that has values is left to go
    to, it begins again at random; with a number of `centres` it ends there or with the last neighbourhood.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> space = spaces.get("gpt2", n_layer=2, d_model="128,192", d_inner="384..512", n_head="2,4")
    >>> problem = Problem(space, parse_objectives("params"), 0, lambda c: np.ones(len(c), bool))
    >>> first, *others = Neighbourhood(problem).ask(100)
    >>> len(others) == len(space.neighbours(first))
    True
    """

    settings_type = NeighbourhoodSettings
    settings: NeighbourhoodSettings

    def __init__(self, problem: Problem, settings: Settings | None = None) -> None:
        super().__init__(problem, settings)
        self._signs = signs(problem.objectives)
        self._candidates: list[Any] = []
        self._points: list[tuple[float, ...]] = []
        self._centres: list[Any] = []
        self._waiting: list[Any] = []
        self._untold: set[str] = set()
        self._parents: dict[str, str] = {}

    def origin(self, candidate: Any) -> Mapping[str, Any]:
        """The candidate whose neighbour a proposal is."""
        parent = self._parents.get(candidate.id)
        return {} if parent is None else {"parent": parent}

    def propose(self, position: int) -> Any | None:
        """The start, then the next neighbour of the present centre that is new."""
        if not self._centres:
            self._advance()
        while self._waiting and self._waiting[-1].id in self.seen:
            self._waiting.pop()
        if self._waiting:
            return self._waiting[-1]
        # The next centre shows when the neighbourhood is told whole; meanwhile nobody needs to wait.
        return None if self.settings.centres else self.fresh.draw(self.seen, "meanwhile", position)

    def learn(self, evaluation: Evaluation) -> None:
        """Remember what a candidate is worth, and go to the next centre with the last of a neighbourhood."""
        if not self._centres:
            self._advance()
        values = evaluation.values(self.problem.objectives)
        if values is not None:
            self._candidates.append(evaluation.candidate)
            self._points.append(tuple(sign * value for sign, value in zip(self._signs, values, strict=True)))
        self._untold -= {evaluation.candidate.id}
        self._advance()

    def _advance(self) -> None:
        """Where a neighbourhood is told whole, go to the next centre, if there is to be one."""
        while not self._untold and not (self._centres and len(self._centres) == self.settings.centres):
            centre = self._best() if self._centres else self._first()
            if centre is None:
                return
            self._walk(centre)
            self._untold = {c.id for c in self._waiting if c.id not in self.seen or c.id in self._out}

    def _first(self) -> Any:
        start = getattr(self.problem.space, "start", None)
        return start if start is not None else self.fresh.draw((), "centre")

    def _walk(self, centre: Any) -> None:
        """Make a candidate the centre; itself first, then its neighbours in a drawn order."""
        self._centres.append(centre)
        found = self.problem.space.neighbours(centre)
        order = generator(self.problem.seed, "neighbours", len(self._centres)).permutation(len(found))
        drawn = [centre, *(found[i] for i in order)]
        holds = self.problem.feasible(drawn)
        self._waiting = [candidate for candidate, fits in zip(drawn, holds, strict=True) if fits][::-1]
        for neighbour in found:
            self._parents.setdefault(neighbour.id, centre.id)

    def _best(self) -> Any | None:
        """The best candidate that was no centre yet."""
        known = {centre.id for centre in self._centres}
        open_ = [i for i, candidate in enumerate(self._candidates) if candidate.id not in known]
        if not open_:
            return None
        return self._candidates[open_[int(best_first(np.array([self._points[i] for i in open_]), 1)[0])]]
