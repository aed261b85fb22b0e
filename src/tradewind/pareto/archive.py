"""Archive: the non-dominated set of a stream of points, updated one point at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewind.core import UsageError


class Archive:
    """The non-dominated points among all that were added, in the order they came; equal points are all kept.

    O(F M) a point for a front of F points with M objectives, all minimised.

    >>> archive = Archive(2)
    >>> [archive.add(point) for point in ((2, 2), (3, 3), (1, 4), (1, 1))]
    [True, False, True, True]
    >>> archive.indices.tolist(), archive.points.tolist()
    ([3], [[1.0, 1.0]])
    """

    def __init__(self, n_objectives: int) -> None:
        if n_objectives < 1:
            raise UsageError(f"an archive has at least one objective; got {n_objectives}")
        self._points = np.empty((16, n_objectives))
        self._indices = np.empty(16, dtype=np.int64)
        self._size = 0
        self._added = 0

    def __len__(self) -> int:
        return self._size

    @property
    def points(self) -> np.ndarray:
        """The front, (F, M), a copy."""
        return self._points[: self._size].copy()

    @property
    def indices(self) -> np.ndarray:
        """Which additions the front's points were, counted from 0, int64 (F,), a copy."""
        return self._indices[: self._size].copy()

    def add(self, point: Any) -> bool:
        """Count one more point; True if it is now part of the front. Raises `UsageError` for NaN or a wrong length."""
        new = np.asarray(point, dtype=np.float64)
        if new.shape != self._points.shape[1:]:
            raise UsageError(f"the point has shape {new.shape}; this archive holds {self._points.shape[1]} objectives")
        values = new.tolist()
        if any(value != value for value in values):
            raise UsageError(f"the point {values} holds NaN; leave out evaluations without a value")
        index, self._added = self._added, self._added + 1
        front = self._points[: self._size]
        columns = list(zip(front.T, values, strict=True))
        column, value = columns[0]
        no_worse, no_better = column <= value, column >= value
        for column, value in columns[1:]:
            no_worse &= column <= value
            no_better &= column >= value
        equal = no_worse & no_better
        if (no_worse > equal).any():
            return False
        beaten = no_better > equal
        if beaten.any():
            kept = self._size - int(beaten.sum())
            self._points[:kept] = front[~beaten]
            self._indices[:kept] = self._indices[: self._size][~beaten]
            self._size = kept
        if self._size == len(self._points):
            self._points = np.concatenate([self._points, np.empty_like(self._points)])
            self._indices = np.concatenate([self._indices, np.empty_like(self._indices)])
        self._points[self._size] = new
        self._indices[self._size] = index
        self._size += 1
        return True
