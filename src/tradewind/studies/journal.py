"""Journal: what a run writes down, attempts before and evaluations after, at a price that fits the evaluator.

A measured evaluation is one durable transaction, and so is the note that it is about to start. Evaluations that a
deterministic evaluator would give again are cheap to lose, so they share transactions for a moment; until its
transaction is committed an evaluation counts for nobody.

A candidate that ended the process again and again is abandoned. An evaluator that says it is `isolated` runs
candidates in another process, so none of them can have ended this one, and none is blamed for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tradewind.core import Evaluation, Evaluator, Measurement, Measurements
from tradewind.core.interrupts import Interrupts
from tradewind.studies.clock import seconds
from tradewind.studies.records import storable
from tradewind.studies.store import Store

MAX_LAUNCHES = 3
"""Launches of a candidate after which it is abandoned: each of them ended the process."""
_GROUP_SIZE = 256
_GROUP_SECONDS = 0.25


class Journal:
    """Writes through a Store; `committed` hears of evaluations, and of the last one's number, once they are durable."""

    def __init__(
        self,
        store: Store,
        evaluator: Evaluator,
        interrupts: Interrupts,
        committed: Callable[[Sequence[Evaluation], int], None],
        next_anchor: int = 0,
    ) -> None:
        self._store = store
        self._evaluator = evaluator
        self._interrupts = interrupts
        self._committed = committed
        self._grouped = evaluator.deterministic
        self._isolated: bool = getattr(evaluator, "isolated", False)
        self._waiting: list[Evaluation] = []
        self._next_anchor = next_anchor
        # Kept, not only their ids: an id is unique among living objects.
        self._anchors: dict[int, Evaluation] = {id(reading): reading for reading in self._readings()}
        self._last_commit = seconds()
        self._launched: str | None = None
        self._repeated = False

    def launch(self, candidate: Any) -> Measurements | None:
        """Note that a candidate is about to be evaluated; its measurements, if it was launched too often to be."""
        if self._isolated:
            return None
        with self._interrupts.shield():
            launches = self._store.launch(candidate.id, durable=not self._grouped)
            self._launched = candidate.id
        if launches > MAX_LAUNCHES:
            reason = f"abandoned: its evaluation ended the process {MAX_LAUNCHES} times"
            return {o.name: Measurement.failed(reason, o.unit, device=o.device) for o in self._evaluator.objectives}
        self._repeated = launches > 1
        if self._repeated:
            self.flush()
        return None

    def add(self, evaluation: Evaluation) -> None:
        """Store a finished evaluation, and the anchors measured before it, at once or with the next group.

        One that was launched before is stored at once: only the last launch before a crash is to blame for it, so
        those that merely shared its group must not be counted again.
        """
        self._waiting += [*self._new_anchors(), evaluation]
        self._launched = None
        repeated, self._repeated = self._repeated, False
        full = len(self._waiting) >= _GROUP_SIZE or seconds() - self._last_commit >= _GROUP_SECONDS
        if not self._grouped or repeated or full:
            self.flush()

    def flush(self) -> None:
        """Make everything that was added durable."""
        with self._interrupts.shield():
            if self._waiting:
                last_number = self._store.append(self._waiting)
                done, self._waiting = self._waiting, []
                self._committed(done, last_number)
            self._last_commit = seconds()

    def stop(self) -> None:
        """Stop on purpose: keep what is finished, and do not blame the candidate that was not."""
        self.flush()
        if self._launched is not None:
            self._store.withdraw(self._launched)
            self._launched = None

    def _readings(self) -> Sequence[Evaluation]:
        return getattr(self._evaluator, "anchors", ())

    def _new_anchors(self) -> list[Evaluation]:
        """Readings of the anchor that are not stored yet, numbered after those that are."""
        new = [reading for reading in self._readings() if id(reading) not in self._anchors]
        self._anchors |= {id(reading): reading for reading in new}
        numbered = [
            dataclasses.replace(reading, index=self._next_anchor + i, measurements=storable(reading.measurements, ()))
            for i, reading in enumerate(new)
        ]
        self._next_anchor += len(new)
        return numbered
