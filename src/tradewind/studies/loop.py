"""The search loop: ask, check, evaluate, hand out, tell. Without storage it runs a study in memory.

One candidate at a time: an algorithm's next proposal is a pure function of the evaluations told before it, so a log
that is told again continues exactly as if it had never stopped, wherever it was cut.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tradewind.core import (
    Algorithm,
    Evaluation,
    Evaluator,
    Measurement,
    Measurements,
    Partial,
    SpaceExhaustedError,
    UsageError,
)
from tradewind.evaluators import Limits
from tradewind.studies.clock import seconds
from tradewind.studies.meter import Meter
from tradewind.studies.records import only, storable

_NO_LIMITS = Limits()

Launch = Callable[[Any], Measurements | None]
"""Called before a candidate is evaluated; measurements, if it must not be evaluated but recorded as these."""


def search(
    algorithm: Algorithm,
    evaluator: Evaluator,
    *,
    budget: int,
    limits: Limits = _NO_LIMITS,
    history: Sequence[Evaluation] = (),
    known: Iterable[Evaluation] = (),
    launch: Launch | None = None,
) -> Iterator[Evaluation]:
    """Yield new evaluations until there are `budget` of them, `history` included, or the space is exhausted.

    An evaluation in part counts as its share of a whole one (see `Meter`); the last may go beyond the budget.
    The algorithm is told `history` first. Each evaluation is told to it after the caller has taken it, so what was
    stored and what was told never differ. A candidate that is in `history` or `known` already, at the same fidelity, is
    not measured again: its measurements are used once more. One that breaks a cheap constraint is recorded as invalid,
    unmeasured. One that breaks a measured constraint is told without values, unless the algorithm has a true
    `judges_constraints`.

    >>> from tradewind.core import GPT2
    >>> from tradewind.evaluators import FormulaEvaluator
    >>> class Deeper:
    ...     depth = 1
    ...     def ask(self, n=1): return [GPT2(d_model=64, n_head=(2,) * self.depth, d_inner=(128,) * self.depth)]
    ...     def tell(self, evaluations): self.depth += len(evaluations)
    >>> [e.measurements["params"].value for e in search(Deeper(), FormulaEvaluator("params"), budget=2)]
    [3315584, 3349056]
    """
    seen = {(e.candidate.id, e.fidelity): e.measurements for e in (*known, *history)}
    meter = Meter(evaluator)
    for past in history:
        meter.add(past)
    as_told = (lambda e: e) if getattr(algorithm, "judges_constraints", False) else limits.as_told
    algorithm.tell([as_told(e) for e in history])
    learn(evaluator, history)
    index = 1 + max((e.index for e in history), default=-1)
    while not meter.covers(budget):
        proposal = ask(algorithm)
        if proposal is None:
            return
        evaluation = with_origin(
            evaluate(proposal, index, "search", evaluator, limits=limits, seen=seen, launch=launch), algorithm
        )
        seen[evaluation.candidate.id, evaluation.fidelity] = evaluation.measurements
        meter.add(evaluation)
        index += 1
        yield evaluation
        algorithm.tell([as_told(evaluation)])
        learn(evaluator, [evaluation])


def learn(evaluator: Any, evaluations: Sequence[Evaluation]) -> None:
    """Let an evaluator that learns from what was told hear of it."""
    if hasattr(evaluator, "learn"):
        evaluator.learn(evaluations)


def with_origin(evaluation: Evaluation, algorithm: Algorithm) -> Evaluation:
    """The evaluation with what the algorithm knows of how its candidate came about, as ``origin`` in the details."""
    origin = algorithm.origin(evaluation.candidate) if hasattr(algorithm, "origin") else {}
    if not origin or not evaluation.measurements:
        return evaluation
    (name, first), *others = evaluation.measurements.items()
    first = dataclasses.replace(first, details={**first.details, "origin": dict(origin)})
    return dataclasses.replace(evaluation, measurements={name: first, **dict(others)})


def evaluate(
    proposal: Any,
    index: int,
    role: str,
    evaluator: Evaluator,
    *,
    limits: Limits = _NO_LIMITS,
    seen: Mapping[tuple[str, int | None], Measurements] | None = None,
    launch: Launch | None = None,
) -> Evaluation:
    """The evaluation of one candidate, whole or in part, measured only if it has to be.

    Its seconds are those that it took: not those that the evaluator says it waited for the machine (`waited_s`).
    """
    candidate, fidelity = _unwrapped(proposal, evaluator)
    found = (seen or {}).get((candidate.id, fidelity))
    if found is not None:
        return Evaluation(index, candidate, found, role, fidelity=fidelity)
    unfit = broken(candidate, evaluator, limits)
    if unfit is not None:
        return Evaluation(index, candidate, unfit, role, fidelity=fidelity)
    found = launch(candidate) if launch is not None else None
    before = seconds() - _waited(evaluator)
    if found is None:
        if fidelity is None:
            found = only(evaluator.evaluate([candidate]))
        else:
            found = only(evaluator.evaluate_at([candidate], fidelity))  # type: ignore[attr-defined]
    spent = seconds() - _waited(evaluator) - before
    return Evaluation(index, candidate, storable(found, evaluator.objectives), role, max(0.0, spent), fidelity)


def broken(candidate: Any, evaluator: Evaluator, limits: Limits) -> Measurements | None:
    """What is recorded of a candidate that breaks a cheap constraint; nothing where it breaks none."""
    if limits.feasible([candidate])[0]:
        return None
    reason = f"constraint: breaks {' or '.join(map(str, limits.cheap))}"
    return {o.name: Measurement.invalid(reason, o.unit) for o in evaluator.objectives}


def _unwrapped(proposal: Any, evaluator: Evaluator) -> tuple[Any, int | None]:
    """The candidate and the fidelity of a proposal, None for the whole resource."""
    if not isinstance(proposal, Partial):
        return proposal, None
    fidelities: Sequence[int] = getattr(evaluator, "fidelities", ())
    if proposal.fidelity not in fidelities:
        raise UsageError(
            f"the evaluator cannot report at fidelity {proposal.fidelity} (it can at {list(fidelities) or 'none'}); "
            "give the algorithm a problem with the fidelities of this evaluator"
        )
    return proposal.candidate, None if proposal.fidelity == fidelities[-1] else proposal.fidelity


def _waited(evaluator: Evaluator) -> float:
    waited: float = getattr(evaluator, "waited_s", 0.0)
    return waited


def ask(algorithm: Algorithm) -> Any | None:
    """The next candidate or `Partial`; None when there is none."""
    try:
        proposals = algorithm.ask(1)
    except SpaceExhaustedError:
        return None
    return proposals[0] if proposals else None
