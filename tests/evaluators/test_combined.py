from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tradewind import spaces
from tradewind.core import Evaluator, Measurement, Measurements, UsageError, parse_objectives
from tradewind.evaluators import CombinedEvaluator, FormulaEvaluator
from tradewind.evaluators.device import DeviceEvaluator
from tradewind.testing.evaluators import EvaluatorSuite


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


class Stepwise(Timed):
    """Perplexity that halves its distance to the number of layers with every step; remembers what it was asked."""

    objectives = parse_objectives("perplexity")
    deterministic = True
    fidelities = (1, 2, 4)
    resumes = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        return self.evaluate_at(candidates, self.fidelities[-1])

    def evaluate_at(self, candidates: Sequence[Any], fidelity: int) -> list[Measurements]:
        if fidelity not in self.fidelities:
            raise UsageError(f"there is no fidelity {fidelity}")
        self.asked.append((len(candidates), fidelity))
        return [
            {"perplexity": Measurement.of(c.n_layer + 2.0**-fidelity, "perplexity", method="made up")}
            for c in candidates
        ]

    def close(self) -> None:
        self.closed += 1


class Counted(FormulaEvaluator):
    """A part without fidelities that remembers whom it was asked about."""

    def __init__(self) -> None:
        super().__init__("params")
        self.asked: list[str] = []

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        self.asked += [c.id for c in candidates]
        return super().evaluate(candidates)


class TestCombinedEvaluator(EvaluatorSuite):
    """One part with fidelities, one without."""

    @pytest.fixture
    def evaluator(self) -> Evaluator:
        return CombinedEvaluator([Stepwise(), FormulaEvaluator("params")])

    @pytest.fixture
    def candidates(self) -> list[Any]:
        return list(spaces.get("gpt2").sample_many(3, seed=0))


class TestFormulaEvaluator(EvaluatorSuite):
    @pytest.fixture
    def evaluator(self) -> Evaluator:
        return FormulaEvaluator("params,flops")

    @pytest.fixture
    def candidates(self) -> list[Any]:
        return list(spaces.get("gpt2").sample_many(3, seed=0))


def test_a_part_without_fidelities_is_asked_once_about_a_candidate() -> None:
    archs = list(spaces.get("gpt2").sample_many(4, seed=0))
    stepwise, counted = Stepwise(), Counted()
    both = CombinedEvaluator([stepwise, counted])
    assert both.fidelities == (1, 2, 4)
    assert both.resumes
    first = both.evaluate_at(archs, 1)
    then = both.evaluate_at(archs[:2], 4)
    assert stepwise.asked == [(4, 1), (2, 4)]
    assert counted.asked == [arch.id for arch in archs]
    assert [m["params"] for m in then] == [m["params"] for m in first[:2]]
    assert [m["perplexity"].value for m in then] == [arch.n_layer + 2.0**-4 for arch in archs[:2]]


def test_parts_of_unlike_fidelities_are_refused() -> None:
    other = Stepwise()
    other.objectives, other.fidelities = parse_objectives("latency_ms@cpu"), (3, 9)  # type: ignore[assignment]
    with pytest.raises(UsageError, match="unlike fidelities"):
        CombinedEvaluator([Stepwise(), other])


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
