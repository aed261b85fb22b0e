"""Halving hurdles: at each of a few marks of the budget only the better half of those that got there trains on.

Source: So et al. 2021, arXiv 2109.08668, appendix A.3. With H hurdles on a budget T, t0 = T / (2^(H+1) - 1), and
hurdle i stands at t0·(2^i - 1): every band between hurdles costs twice the one before, and half as many pass, so each
band takes the same compute in all. The paper does not say which individuals the half is taken of; here it is the last
ones that reached the hurdle, as many as the window holds, so that the bar rises with the population. Until a few have
reached a hurdle, it lets all pass.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence

from tradewind.core import UsageError

LEAST_KNOWN = 5
"""Results at a hurdle before it stops anyone."""


def marks(budget: float, hurdles: int) -> list[float]:
    """Where the hurdles stand, and the end of the budget.

    >>> [round(mark, 1) for mark in marks(25_200, 4)]
    [812.9, 2438.7, 5690.3, 12193.5, 25200.0]
    """
    if not 0 < budget < float("inf"):
        raise UsageError(f"the budget of an individual is {budget}; it must be above 0")
    if not 0 <= hurdles <= 16:
        raise UsageError(f"there are {hurdles} hurdles; 0 to 16 are allowed")
    first = budget / (2 ** (hurdles + 1) - 1)
    return [first * (2**i - 1) for i in range(1, hurdles + 1)] + [float(budget)]


class Hurdles:
    """The losses seen at each mark, and the bars that follow from them; the last mark is no hurdle.

    >>> bars = Hurdles(n=1, window=100)
    >>> for loss in (3.0, 1.0, 2.0, 5.0, 4.0):
    ...     bars.add([loss])
    >>> bars.limits()
    [3.0, None]
    """

    def __init__(self, n: int, window: int) -> None:
        if window < LEAST_KNOWN:
            raise UsageError(f"the window of the hurdles is {window}; it must be at least {LEAST_KNOWN}")
        self._seen: list[deque[float]] = [deque(maxlen=window) for _ in range(n)]

    def add(self, losses: Sequence[float]) -> None:
        """Take in what an individual reached at the marks it came to, in their order."""
        for seen, loss in zip(self._seen, losses, strict=False):
            seen.append(loss)

    def limits(self) -> list[float | None]:
        """The loss that passes each mark: the median there; None where all pass."""
        bars = [statistics.median(seen) if len(seen) >= LEAST_KNOWN else None for seen in self._seen]
        return [*bars, None]
