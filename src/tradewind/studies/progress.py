"""Progress of a run: a bar on a terminal, a line now and then elsewhere, or a function of the caller's.

The bar is drawn between evaluations only: no thread of ours may work while a device is being measured.

Hypervolume here is relative to the box that the first ten evaluations with values span, from their best to their worst
value in each objective: 1 is the volume of that box, and only what is better than its worst corner counts. The box is
fixed, so the number never falls and may exceed 1.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Objective
from tradewind.core.terminal import console
from tradewind.evaluators import Limits
from tradewind.pareto import Archive, hypervolume, oriented
from tradewind.studies.clock import seconds
from tradewind.studies.meter import Meter

BOX_POINTS = 10
_REDRAW_SECONDS = 0.25
_LINE_SECONDS = 15.0


@dataclasses.dataclass(frozen=True)
class Figures:
    """What is shown: evaluations done and in all, failures, frontier size, relative hypervolume, seconds left."""

    done: int
    total: int
    failed: int
    frontier: int
    hypervolume: float | None
    seconds_left: float | None

    def __str__(self) -> str:
        volume = f", hypervolume {self.hypervolume:.3f}" if self.hypervolume is not None else ""
        left = f", {_clock(self.seconds_left)} left" if self.seconds_left is not None else ""
        return f"{self.done}/{self.total} evaluated, frontier {self.frontier}{volume}, {self.failed} failed{left}"


class Tracker:
    """Keeps the figures as evaluations of the search arrive.

    Evaluations in part are counted by their share of a whole one, and are on no front.
    """

    def __init__(self, objectives: Sequence[Objective], limits: Limits, total: int, meter: Meter | None = None) -> None:
        self._objectives = objectives
        self._limits = limits
        self._total = total
        self._meter = meter or Meter()
        self._failed = 0
        self._front = Archive(len(objectives))
        self._first: list[np.ndarray] = []
        self._durations: deque[float] = deque(maxlen=20)

    def add(self, evaluation: Evaluation) -> None:
        """Count one more evaluation of the search."""
        cost = self._meter.add(evaluation)
        self._durations.append(evaluation.seconds * self._meter.whole / cost)
        self._failed += evaluation.values(self._objectives) is None
        values = self._limits.as_told(evaluation).values(self._objectives)
        if values is not None and evaluation.fidelity is None:
            point = oriented([values], self._objectives)[0]
            self._front.add(point)
            if len(self._first) < BOX_POINTS:
                self._first.append(point)

    def figures(self) -> Figures:
        """The figures now."""
        done = self._meter.spent // self._meter.whole
        left = max(0, self._total - done)
        typical = statistics.median(self._durations) if self._durations else None
        return Figures(
            done=done,
            total=max(self._total, done),
            failed=self._failed,
            frontier=len(self._front),
            hypervolume=self._hypervolume(),
            seconds_left=None if typical is None else typical * left,
        )

    def _hypervolume(self) -> float | None:
        if len(self._first) < BOX_POINTS:
            return None
        first = np.array(self._first)
        best, worst = first.min(axis=0), first.max(axis=0)
        extent = np.where(worst > best, worst - best, 1.0)
        return hypervolume((self._front.points - best) / extent, (worst - best) / extent)


class Progress:
    """A context manager that shows a Tracker's figures."""

    def __init__(self, tracker: Tracker, shown: bool | Callable[[Figures], None]) -> None:
        self._tracker = tracker
        self._function = shown if callable(shown) else None
        self._shown = shown is True
        self._bar: Any = None
        self._task: Any = None
        self._note = ""
        self._last = -math.inf

    def __enter__(self) -> Progress:
        if self._shown:
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            screen = console(err=True)
            if screen.is_terminal:
                columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
                self._bar = Bar(*columns, console=screen, auto_refresh=False, transient=False)
                self._bar.start()
                self._task = self._bar.add_task("starting", total=None)
            self._print = screen.print
        return self

    def __exit__(self, *_: object) -> None:
        self._note = ""
        self._draw(now=True)
        if self._bar is not None:
            self._bar.stop()

    def note(self, text: str) -> None:
        """Say what is going on beside the search, until its next evaluation; a terminal shows every note."""
        self._note = text
        self._draw(now=self._bar is not None)

    def add(self, evaluations: Sequence[Evaluation]) -> None:
        """Count finished evaluations and redraw, if the last time is long enough ago."""
        if not evaluations:
            return
        self._note = ""
        for evaluation in evaluations:
            self._tracker.add(evaluation)
        self._draw()

    def _draw(self, now: bool = False) -> None:
        time = seconds()
        pause = _REDRAW_SECONDS if self._bar is not None or self._function is not None else _LINE_SECONDS
        if (not self._shown and self._function is None) or (not now and time - self._last < pause):
            return
        self._last = time
        figures = self._tracker.figures()
        words = self._note or str(figures)
        if self._function is not None:
            self._function(figures)
        elif self._bar is not None:
            self._bar.update(self._task, completed=figures.done, total=figures.total, description=words, refresh=True)
        else:
            self._print(words)


def _clock(duration: float) -> str:
    """Seconds as people read them: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = round(duration)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
