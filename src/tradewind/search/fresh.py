"""Random candidates that are feasible and new: the start of every algorithm and its way out of a corner."""

from __future__ import annotations

from collections.abc import Container
from functools import cached_property
from typing import Any

import numpy as np

from tradewind.core import Problem
from tradewind.core.seeds import derive, generator

ROUNDS = (16, 128, 1024, 8192, 65536)
"""Samples drawn one after the other until one is feasible and new; most candidates are found in the first."""

ENUMERABLE = 50_000
"""Spaces up to this size are walked through whole when two rounds have found nothing."""


class Fresh:
    """Feasible, unseen candidates of a problem's space, each a pure function of the seed, a path and what was seen."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def draw(self, seen: Container[str], *path: int | str) -> Any | None:
        """A feasible candidate whose id is not in `seen`; None where there is none.

        Distributed as the space's own samples. None is a proof in a space of at most `ENUMERABLE` candidates; in a
        larger one it means that none was found among the 75,000 samples of all `ROUNDS`.
        """
        for number, n in enumerate(ROUNDS):
            if number == 2 and self._small:
                return self._any_left(seen, *path)
            batch = self.problem.space.sample_many(n, derive(self.problem.seed, *path, "sample", number))
            for row in np.flatnonzero(self.problem.feasible(batch)).tolist():
                candidate = batch[row]
                if candidate.id not in seen:
                    return candidate
        return None

    def _any_left(self, seen: Container[str], *path: int | str) -> Any | None:
        left = [candidate for candidate in self._feasible if candidate.id not in seen]
        return left[generator(self.problem.seed, *path, "left").integers(len(left))] if left else None

    @cached_property
    def _small(self) -> bool:
        return self.problem.space.size() <= ENUMERABLE

    @cached_property
    def _feasible(self) -> list[Any]:
        """Every feasible candidate of a small space."""
        members = list(self.problem.space.enumerate())
        mask = self.problem.feasible(members)
        return [candidate for candidate, holds in zip(members, mask, strict=True) if holds]
