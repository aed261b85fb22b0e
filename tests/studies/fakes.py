"""An algorithm and evaluators that are simple enough to know what a study must do with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from tradewind import spaces
from tradewind.core import Evaluation, Measurement, Measurements, Objective, Problem, Workload, parse_objectives
from tradewind.core.files import content_hash
from tradewind.core.seeds import generator
from tradewind.evaluators import FormulaEvaluator
from tradewind.search import Settings

SPACE = spaces.get("gpt2", n_layer="2..4", d_model="128..256", d_inner="512..1024")
OBJECTIVES = parse_objectives("decoder_params,flops")


class Drawing:
    """Mutates a member of what it was told, or draws; what it proposes depends on every value it was told."""

    settings = Settings()

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._told: list[Evaluation] = []
        self._ids: set[str] = set()
        self._values = ""

    def ask(self, n: int = 1) -> list[Any]:
        rng = generator(self._problem.seed, "ask", len(self._told), self._values)
        for _ in range(200):
            candidate = self._problem.space.sample(seed=int(rng.integers(2**31)))
            if self._told and rng.random() < 0.7:
                parent = self._told[int(rng.integers(len(self._told)))].candidate
                candidate = self._problem.space.mutate(parent, rng)
            if candidate.id not in self._ids and self._problem.feasible([candidate])[0]:
                return [candidate]
        return []

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        for evaluation in evaluations:
            self._told.append(evaluation)
            self._ids.add(evaluation.candidate.id)
            self._values = content_hash([self._values, evaluation.values(self._problem.objectives)])


class Made:
    """An evaluator whose measurements a function makes; it counts what it was asked."""

    def __init__(
        self,
        make: Callable[[Any], Measurements],
        objectives: Sequence[Objective] = OBJECTIVES,
        deterministic: bool = False,
    ) -> None:
        self._make = make
        self.objectives = tuple(objectives)
        self.deterministic = deterministic
        self.asked: list[str] = []
        self.closed = 0

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        self.asked += [c.id for c in candidates]
        return [self._make(c) for c in candidates]

    def describe(self) -> dict[str, Any]:
        return {"kind": "made"}

    def close(self) -> None:
        self.closed += 1


class Slow(FormulaEvaluator):
    """Closed forms that take a moment, as if measured."""

    def __init__(self, seconds: float, deterministic: bool, before: Callable[[], None] = lambda: None) -> None:
        super().__init__(OBJECTIVES, Workload())
        self._seconds = seconds
        self._before = before
        self.deterministic = deterministic

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        self._before()
        time.sleep(self._seconds)
        return super().evaluate(candidates)


def formula(candidate: Any) -> Measurements:
    return FormulaEvaluator(OBJECTIVES).evaluate([candidate])[0]


def failing(candidate: Any) -> Measurements:
    """Every third candidate, by its id, crashes."""
    found = dict(formula(candidate))
    if int(candidate.id, 16) % 3 == 0:
        found["flops"] = Measurement.failed("crash: signal 11", "FLOP")
    return found


def evaluation(index: int, role: str = "search", seconds: float = 0.25) -> Evaluation:
    candidate = SPACE.sample(seed=index)
    return Evaluation(index, candidate, formula(candidate), role, seconds)


def facts(evaluations: Sequence[Evaluation]) -> list[tuple[Any, ...]]:
    """What must be equal between two runs: everything but how long it took."""
    return [
        (e.index, e.role, e.candidate.id, {name: m.to_dict() for name, m in e.measurements.items()})
        for e in evaluations
    ]
