"""Meter: what evaluations cost of a study's budget, so that searches at several fidelities are compared fairly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradewind.core import Evaluation


class Meter:
    """Counts resource in exact whole numbers: a whole evaluation costs `whole`, one at a fidelity costs that.

    Where the evaluator `resumes`, a candidate that goes on pays only for the resource that is new to it. Without an
    evaluator, or with one that knows no fidelities, every evaluation costs 1.

    >>> from tradewind.core import GPT2
    >>> class Training:
    ...     fidelities, resumes = (10, 30), True
    >>> meter, arch = Meter(Training()), GPT2(d_model=64, n_head=(2,), d_inner=(128,))
    >>> [meter.add(Evaluation(0, arch, {}, fidelity=10)), meter.add(Evaluation(1, arch, {})), meter.spent]
    [10, 20, 30]
    """

    def __init__(self, evaluator: Any = None) -> None:
        fidelities: Sequence[int] = getattr(evaluator, "fidelities", ())
        self.whole = int(fidelities[-1]) if len(fidelities) else 1
        self.spent = 0
        self._resumes = bool(getattr(evaluator, "resumes", False))
        self._reached: dict[str, int] = {}

    def add(self, evaluation: Evaluation) -> int:
        """Count one more evaluation; what it costs."""
        cost = self.whole if evaluation.fidelity is None else evaluation.fidelity
        if self._resumes:
            name, goal = evaluation.candidate.id, cost
            before = self._reached.get(name, 0)
            if before < goal:
                self._reached[name] = goal
                cost -= before
        self.spent += cost
        return cost

    def covers(self, budget: int) -> bool:
        """Whether the resource of `budget` whole evaluations is spent."""
        return self.spent >= budget * self.whole
