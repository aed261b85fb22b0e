"""The first candidates of a search: the corners of the space, if wanted, then random ones."""

from __future__ import annotations

from collections.abc import Container
from functools import cached_property
from typing import Any

from tradewind.core import Problem
from tradewind.core.seeds import generator
from tradewind.predictors.design import corners
from tradewind.search.fresh import Fresh


class Starts:
    """Corners in random order, then draws of `Fresh`; all feasible and new.

    The corners are homogeneous architectures with every mix of smallest and largest choices. Where costs and quality
    grow with size they hold the ends of the frontier, which random samples of many layers never come near: sums of
    independent draws concentrate. A space that is not made of layers has none.
    """

    def __init__(self, problem: Problem, fresh: Fresh, use_corners: bool) -> None:
        self.problem, self.fresh, self.use_corners = problem, fresh, use_corners

    def draw(self, seen: Container[str], position: int) -> Any | None:
        """The next corner that is not in `seen`, else the random candidate of a position; None where there is none."""
        corner = next((candidate for candidate in self._corners if candidate.id not in seen), None)
        return corner or self.fresh.draw(seen, "start", position)

    @cached_property
    def _corners(self) -> list[Any]:
        space = self.problem.space
        if not self.use_corners or not hasattr(space, "layer_options"):
            return []
        found = list({candidate.id: candidate for candidate in corners(space)}.values())
        order = generator(self.problem.seed, "corners").permutation(len(found))
        holds = self.problem.feasible(found)
        return [found[i] for i in order if holds[i]]
