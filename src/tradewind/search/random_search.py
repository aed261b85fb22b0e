"""Random search: the baseline that every algorithm must beat."""

from __future__ import annotations

from typing import Any

from tradewind.core import Evaluation
from tradewind.search.base import AskTell


class RandomSearch(AskTell):
    """Feasible samples of the space, none twice.

    >>> import numpy as np
    >>> from tradewind import spaces
    >>> from tradewind.core import Problem, parse_objectives
    >>> problem = Problem(spaces.get("gpt2"), parse_objectives("params"), 0, lambda c: np.ones(len(c), bool))
    >>> first, second = RandomSearch(problem).ask(2)
    >>> first == RandomSearch(problem).ask()[0] != second
    True
    """

    def propose(self, position: int) -> Any | None:
        """The draw of this position."""
        return self.fresh.draw(self.seen, "random", position)

    def learn(self, evaluation: Evaluation) -> None:
        """Nothing: random search does not look back."""
