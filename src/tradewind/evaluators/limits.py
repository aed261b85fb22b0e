"""Limits: a study's constraints, split into those that closed forms decide and those that only measuring can."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tradewind import costs
from tradewind.core import (
    Constraint,
    Constraints,
    Evaluation,
    Measurement,
    Measurements,
    Objective,
    Workload,
    parse_constraints,
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """`cheap` constraints are checked before anything is measured, `measured` ones afterwards; make it with `of`.

    >>> limits = Limits.of(["decoder_params>=4e6", "latency_ms<=300"], device="cpu")
    >>> [str(c) for c in limits.cheap], [str(c) for c in limits.measured]
    (['decoder_params>=4000000'], ['latency_ms@cpu<=300'])
    """

    cheap: tuple[Constraint, ...] = ()
    measured: tuple[Constraint, ...] = ()
    workload: Workload = dataclasses.field(default_factory=Workload)

    @classmethod
    def of(
        cls,
        constraints: Constraints,
        workload: Workload | None = None,
        device: str | None = None,
    ) -> Limits:
        """Limits from constraints or their texts, or one alone; a device quantity without a device takes `device`."""
        parsed = parse_constraints(constraints, device)
        cheap = tuple(c for c in parsed if c.objective.quantity in costs.quantities())
        return cls(cheap, tuple(c for c in parsed if c not in cheap), workload or Workload())

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """All of them, the cheap ones first."""
        return self.cheap + self.measured

    def needed(self, objectives: Sequence[Objective]) -> tuple[Objective, ...]:
        """What must be evaluated: the objectives, then the quantities that only a constraint names."""
        return tuple(dict.fromkeys([*objectives, *(c.objective for c in self.constraints)]))

    def feasible(self, candidates: Sequence[Any]) -> np.ndarray:
        """Which candidates satisfy the cheap constraints, boolean (N,); vectorised over the candidates.

        >>> from tradewind.core import GPT2
        >>> Limits.of(["params<=5e6"]).feasible([GPT2(d_model=d, n_head=(2,), d_inner=(128,)) for d in (64, 960)])
        array([ True, False])
        """
        mask = np.ones(len(candidates), dtype=bool)
        if not len(candidates):
            return mask
        one = len(candidates) == 1
        for constraint in self.cheap:
            quantity = constraint.objective.quantity
            values = costs.evaluate(quantity, candidates[0] if one else candidates, self.workload)
            mask &= np.atleast_1d(constraint.holds(values))  # type: ignore[arg-type]
        return mask

    def broken(self, measurements: Measurements) -> Constraint | None:
        """The first measured constraint that is not satisfied; one whose quantity has no value is not."""
        for constraint in self.measured:
            found = measurements.get(constraint.objective.name)
            if found is None or found.value is None or not constraint.holds(found.value):
                return constraint
        return None

    def as_told(self, evaluation: Evaluation) -> Evaluation:
        """What an algorithm hears: an evaluation that breaks a measured constraint has no values, and says why."""
        broken = self.broken(evaluation.measurements)
        if broken is None:
            return evaluation
        without = {
            name: m if m.value is None else Measurement.invalid(f"constraint: breaks {broken}", m.unit, device=m.device)
            for name, m in evaluation.measurements.items()
        }
        return dataclasses.replace(evaluation, measurements=without)
