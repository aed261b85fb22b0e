from __future__ import annotations

import itertools
from typing import Any

import pytest
from tests.studies.fakes import OBJECTIVES, SPACE, Drawing, Made, evaluation, facts, failing, formula

from tradewind.core import Evaluation, Measurement, Problem, SpaceExhaustedError, UsageError
from tradewind.evaluators import CombinedEvaluator, Limits
from tradewind.studies import loop


class Scripted:
    """Proposes what it is given, and keeps what it was told."""

    judges_constraints = False

    def __init__(self, *candidates: Any) -> None:
        self.queue = list(candidates)
        self.told: list[Evaluation] = []

    def ask(self, n: int = 1) -> list[Any]:
        return [self.queue.pop(0) for _ in range(min(n, len(self.queue)))]

    def tell(self, evaluations: Any) -> None:
        self.told += evaluations


def problem(limits: Limits = Limits()) -> Problem:  # noqa: B008
    return Problem(SPACE, OBJECTIVES, 3, limits.feasible)


def test_runs_to_the_budget_and_tells_everything_in_order() -> None:
    candidates = [SPACE.sample(seed=i) for i in range(5)]
    algorithm = Scripted(*candidates)
    found = list(loop.search(algorithm, Made(formula), budget=4))
    assert [e.index for e in found] == [0, 1, 2, 3]
    assert algorithm.told == found
    assert [e.candidate for e in found] == candidates[:4]
    assert all(e.role == "search" and e.seconds >= 0 for e in found)
    assert found[0].measurements == formula(candidates[0])


def test_the_caller_has_an_evaluation_before_the_algorithm_does() -> None:
    algorithm = Scripted(*(SPACE.sample(seed=i) for i in range(3)))
    for count, _ in enumerate(loop.search(algorithm, Made(formula), budget=3)):
        assert len(algorithm.told) == count


@pytest.mark.parametrize("evaluator", [formula, failing])
def test_continuing_from_any_cut_is_the_same_search(evaluator: Any) -> None:
    whole = list(loop.search(Drawing(problem()), Made(evaluator), budget=12))
    for cut in range(13):
        rest = loop.search(Drawing(problem()), Made(evaluator), budget=12, history=whole[:cut])
        assert facts([*whole[:cut], *rest]) == facts(whole)


def test_nothing_is_measured_twice() -> None:
    one, two = SPACE.sample(seed=1), SPACE.sample(seed=2)
    baseline = Evaluation(0, two, formula(two), "baseline")
    evaluator = Made(formula)
    found = list(loop.search(Scripted(one, one, two), evaluator, budget=3, known=[baseline]))
    assert evaluator.asked == [one.id]
    assert [e.candidate.id for e in found] == [one.id, one.id, two.id]
    assert found[1].measurements == found[0].measurements
    assert found[2].measurements == baseline.measurements


def test_cheap_constraints_are_checked_before_measuring() -> None:
    limits = Limits.of(["decoder_params<=1e6"])
    small = next(c for i in itertools.count() if limits.feasible([c := SPACE.sample(seed=i)])[0])
    large = next(c for i in itertools.count() if not limits.feasible([c := SPACE.sample(seed=i)])[0])
    evaluator = Made(formula)
    found = list(loop.search(Scripted(large, small), evaluator, budget=2, limits=limits))
    assert evaluator.asked == [small.id]
    assert found[0].measurements["flops"].reason == "constraint: breaks decoder_params<=1000000"
    assert found[1].values(OBJECTIVES) is not None


def test_an_algorithm_hears_no_values_of_what_breaks_a_measured_constraint() -> None:
    objective = Limits.of(["latency_ms@cpu<=10"]).needed(OBJECTIVES)[-1]

    def measured(candidate: Any) -> dict[str, Measurement]:
        return {**formula(candidate), "latency_ms@cpu": Measurement.of(4.0 * candidate.n_layer, "ms", device="cpu")}

    limits = Limits.of(["latency_ms@cpu<=10"])
    algorithm = Scripted(*(next(c for i in itertools.count() if (c := SPACE.sample(i)).n_layer == n) for n in (2, 3)))
    found = list(loop.search(algorithm, Made(measured, (*OBJECTIVES, objective)), budget=2, limits=limits))
    assert [e.values(OBJECTIVES) is not None for e in found] == [True, True]
    assert [e.values(OBJECTIVES) is not None for e in algorithm.told] == [True, False]
    assert algorithm.told[1].measurements["flops"].reason == "constraint: breaks latency_ms@cpu<=10"
    judge = Scripted(*(e.candidate for e in found))
    judge.judges_constraints = True
    assert list(loop.search(judge, Made(measured, (*OBJECTIVES, objective)), budget=2, limits=limits))
    assert [e.values(OBJECTIVES) is not None for e in judge.told] == [True, True]


@pytest.mark.parametrize("signal", ["nothing", "error"])
def test_an_exhausted_space_ends_the_search(signal: str) -> None:
    class Exhausted(Scripted):
        def ask(self, n: int = 1) -> list[Any]:
            if not self.queue and signal == "error":
                raise SpaceExhaustedError("no more")
            return super().ask(n)

    assert len(list(loop.search(Exhausted(SPACE.sample(seed=0)), Made(formula), budget=9))) == 1


def test_a_candidate_that_must_not_run_is_recorded_as_told() -> None:
    measured = {o.name: Measurement.failed("abandoned: x", o.unit) for o in OBJECTIVES}
    evaluator = Made(formula)
    (found,) = loop.search(Scripted(SPACE.sample(seed=0)), evaluator, budget=1, launch=lambda _: measured)
    assert evaluator.asked == []
    assert found.measurements == measured


def test_indices_go_on_after_the_largest_in_the_history() -> None:
    history = [evaluation(0), evaluation(7)]
    (found,) = loop.search(Scripted(SPACE.sample(seed=99)), Made(formula), budget=3, history=history)
    assert found.index == 8


def test_an_evaluator_that_raises_stops_the_search() -> None:
    def broken(candidate: Any) -> dict[str, Measurement]:
        raise UsageError("no such device")

    with pytest.raises(UsageError, match="no such device"):
        list(loop.search(Scripted(SPACE.sample(seed=0)), Made(broken), budget=1))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([], "no value"),
        (None, "no value"),
        ([{}, {}], "no value"),
        ([[]], "no value"),
        ([{"flops": 3.0}], "a float, not a Measurement"),
        ([{"flops": Measurement(value="3", unit="FLOP")}], "a str as the value"),  # type: ignore[arg-type]
        ([{"flops": Measurement.of(3, "MAC")}], "MAC"),
    ],
)
def test_an_evaluator_that_breaks_its_promise_is_a_recorded_failure(answer: Any, reason: str) -> None:
    class Broken(Made):
        def evaluate(self, candidates: Any) -> Any:
            return answer

    (found,) = loop.search(Scripted(SPACE.sample(seed=0)), Broken(formula), budget=1)
    assert set(found.measurements) == {"decoder_params", "flops"}
    assert found.measurements["flops"].reason == f"protocol: the evaluator gave {reason}"


def test_waiting_for_the_machine_is_not_the_candidate_s_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(loop, "seconds", lambda: now[0])

    class Waiting(Made):
        waited_s = 50.0

        def evaluate(self, candidates: Any) -> Any:
            now[0] += 30 + 2
            self.waited_s += 30
            return super().evaluate(candidates)

    evaluator = CombinedEvaluator([Waiting(formula)])
    found = loop.search(Scripted(*(SPACE.sample(seed=i) for i in range(2))), evaluator, budget=2)
    assert [e.seconds for e in found] == [2, 2]
