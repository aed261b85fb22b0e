from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tradewind import spaces
from tradewind.core import Evaluator, Measurement, Measurements, UsageError, parse_objectives
from tradewind.evaluators import CombinedEvaluator, FormulaEvaluator
from tradewind.evaluators.device import DeviceEvaluator


class Timed:
    """A device that takes a millisecond a layer."""

    objectives = parse_objectives("latency_ms@cpu")
    deterministic = False

    def __init__(self) -> None:
        self.closed = 0

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        return [{"latency_ms@cpu": Measurement.of(float(c.n_layer), "ms", device="cpu")} for c in candidates]

    def describe(self) -> dict[str, Any]:
        return {"kind": "timed"}

    def close(self) -> None:
        self.closed += 1
        raise RuntimeError("stuck")


def test_parts_are_joined_in_order() -> None:
    archs = list(spaces.get("gpt2").sample_many(4, seed=0))
    formula, timed = FormulaEvaluator("params,flops"), Timed()
    both = CombinedEvaluator([timed, formula])
    assert isinstance(both, Evaluator)
    assert [o.name for o in both.objectives] == ["latency_ms@cpu", "params", "flops"]
    for found, a, b in zip(both.evaluate(archs), timed.evaluate(archs), formula.evaluate(archs), strict=True):
        assert list(found) == ["latency_ms@cpu", "params", "flops"]
        assert found == {**a, **b}
    assert both.evaluate([]) == []
    assert both.describe() == {"kind": "combined", "parts": [timed.describe(), formula.describe()]}
    assert list(both.layerwise) == ["params", "flops"]


def test_it_is_as_deterministic_as_its_parts() -> None:
    assert not CombinedEvaluator([FormulaEvaluator("params"), Timed()]).deterministic
    assert CombinedEvaluator([FormulaEvaluator("params"), FormulaEvaluator("flops")]).deterministic


def test_it_is_isolated_if_all_that_runs_candidates_is() -> None:
    formula, timed, isolated = FormulaEvaluator("params"), Timed(), DeviceEvaluator("peak_memory_mb")
    assert CombinedEvaluator([formula, isolated]).isolated
    assert not CombinedEvaluator([formula, isolated, timed]).isolated
    assert not CombinedEvaluator([formula, FormulaEvaluator("flops")]).isolated


def test_every_part_is_closed_even_if_one_fails() -> None:
    parts = [Timed(), FormulaEvaluator("params")]
    closed = []
    parts[1].close = lambda: closed.append(1)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="stuck"):
        CombinedEvaluator(parts).close()
    assert (parts[0].closed, closed) == (1, [1])  # type: ignore[union-attr]


def test_no_parts_and_parts_that_overlap_are_refused() -> None:
    with pytest.raises(UsageError, match="at least one part"):
        CombinedEvaluator([])
    with pytest.raises(UsageError, match="two parts of a CombinedEvaluator measure params"):
        CombinedEvaluator([FormulaEvaluator("params"), FormulaEvaluator("flops,params")])
