"""FormulaEvaluator: closed-form quantities as measurements, exact and free of any device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradewind import costs
from tradewind.core import Measurement, Measurements, Objective, UsageError, Workload, parse_objectives
from tradewind.core.layerwise import Layerwise
from tradewind.costs.layerwise import closed_form

_SHAPE_ONLY = ("decoder_params", "params", "embedding_params", "quality")
"""Quantities that no workload changes; all others carry theirs in the details."""


class FormulaEvaluator:
    """Evaluates quantities of `costs.quantities()`, vectorised over the candidates; deterministic.

    Raises `UsageError` for an objective that has no closed form.

    >>> from tradewind.core import GPT2
    >>> evaluator = FormulaEvaluator("decoder_params,kv_cache_mb", Workload(context=100))
    >>> evaluator.evaluate([GPT2(d_model=64, n_head=(2, 2), d_inner=(128, 128))])[0]["kv_cache_mb"].value
    0.1024
    """

    deterministic = True

    def __init__(self, objectives: Sequence[str | Objective] | str, workload: Workload | None = None) -> None:
        self._objectives = parse_objectives(objectives)
        self._workload = workload or Workload()
        for objective in self._objectives:
            if objective.quantity not in costs.quantities():
                raise UsageError(f"{objective} has no closed form (those with one: {', '.join(costs.quantities())})")

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The closed-form quantities asked for."""
        return self._objectives

    @property
    def layerwise(self) -> dict[str, Layerwise]:
        """Each objective taken apart into terms of the layers, for algorithms that use them."""
        return {o.name: closed_form(o.quantity, self._workload) for o in self._objectives}

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order; counts are Python integers."""
        if not candidates:
            return []
        columns = {objective: self._column(objective.quantity, candidates) for objective in self._objectives}
        return [
            {objective.name: self._measurement(objective, column[row]) for objective, column in columns.items()}
            for row in range(len(candidates))
        ]

    def describe(self) -> dict[str, Any]:
        """The kind of evaluator, its objectives and its workload."""
        return {
            "kind": "formula",
            "objectives": [objective.name for objective in self._objectives],
            "workload": self._workload.to_dict(),
        }

    def close(self) -> None:
        """Nothing is held open."""

    def _column(self, quantity: str, candidates: Sequence[Any]) -> list[float]:
        # One architecture at a time is how a search asks; arrays would cost more than they save there.
        if len(candidates) == 1:
            return [costs.evaluate(quantity, candidates[0], self._workload)]
        values: list[float] = costs.evaluate(quantity, candidates, self._workload).tolist()
        return values

    def _measurement(self, objective: Objective, value: float) -> Measurement:
        details = {} if objective.quantity in _SHAPE_ONLY else self._workload.to_dict()
        return Measurement.of(value, objective.unit, details=details)
