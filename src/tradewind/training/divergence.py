"""Tells when training has failed for good, so that no more time is spent on it."""

from __future__ import annotations

import math
from collections import deque

WINDOW = 10
"""Steps over which losses are averaged: one bad batch is no divergence."""


class Watch:
    """Watches losses; its state is a function of the losses alone, so it comes back with them.

    >>> watch = Watch(limit=1.0)
    >>> [watch.add(loss) for loss in [5.0] * 10 + [7.0] * 6][-1]
    'the loss rose to 6.20 (mean of 10 steps), 1.20 nats above its best'
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._best = math.inf

    def add(self, loss: float) -> str:
        """The reason to stop after a loss, or nothing."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        self._recent.append(loss)
        if len(self._recent) < WINDOW:
            return ""
        mean = sum(self._recent) / WINDOW
        self._best = min(self._best, mean)
        if self._limit and mean > self._best + self._limit:
            return f"the loss rose to {mean:.2f} (mean of {WINDOW} steps), {mean - self._best:.2f} nats above its best"
        return ""
