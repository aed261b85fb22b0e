"""The search loop for evaluators that work on several candidates at a time: births in order, whoever finishes first.

Candidate i is proposed when the evaluations up to i - `lookahead` have been told, in the order of birth. So what is
proposed, and with it the whole study, depends on the lookahead and not on how long anything takes; and a log that is
told again by the same schedule continues as if it had never stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from tradewind.core import Algorithm, Evaluation, Measurements, StudyError
from tradewind.evaluators import Limits
from tradewind.studies.clock import seconds
from tradewind.studies.loop import ask, broken, learn, with_origin
from tradewind.studies.records import only, storable

_NO_LIMITS = Limits()


def pipelined(
    algorithm: Algorithm,
    evaluator: Any,
    *,
    budget: int,
    limits: Limits = _NO_LIMITS,
    history: Sequence[Evaluation] = (),
) -> Iterator[Evaluation]:
    """Yield new evaluations in the order of birth until there are `budget` of them, `history` included.

    The evaluator has `lookahead` and ``submit(candidate)``, which gives a future of its measurements. Raises
    `StudyError` where the history is not that of this schedule.
    """
    past = deque(history)
    pending: deque[tuple[int, Any, Evaluation | Future[Measurements], float]] = deque()
    index = 0
    as_told: Callable[[Evaluation], Evaluation] = (
        (lambda e: e) if getattr(algorithm, "judges_constraints", False) else limits.as_told
    )
    while True:
        while index < budget and len(pending) < evaluator.lookahead:
            candidate = ask(algorithm)
            if candidate is None:
                break
            pending.append((index, candidate, _begin(candidate, past, evaluator, limits), seconds()))
            index += 1
        if not pending:
            return
        number, candidate, work, begun = pending.popleft()
        if isinstance(work, Evaluation):
            evaluation = work
        else:
            measurements = storable(only([work.result()]), evaluator.objectives)
            spent = max(0.0, seconds() - begun)
            spent = max((m.details.get("seconds", spent) for m in measurements.values()), default=spent)
            evaluation = with_origin(Evaluation(number, candidate, measurements, seconds=spent), algorithm)
            yield evaluation
        algorithm.tell([as_told(evaluation)])
        learn(evaluator, [evaluation])


def _begin(
    candidate: Any, past: deque[Evaluation], evaluator: Any, limits: Limits
) -> Evaluation | Future[Measurements]:
    """The evaluation that was made before, or a new one under way."""
    if past:
        known = past.popleft()
        if known.candidate.id != candidate.id:
            raise StudyError(
                f"evaluation {known.index} is of the candidate {known.candidate.id}, where this search proposes "
                f"{candidate.id}: the study was made by another version; start a new one in another folder"
            )
        return known
    found = broken(candidate, evaluator, limits)
    if found is None:
        future: Future[Measurements] = evaluator.submit(candidate)
        return future
    done: Future[Measurements] = Future()
    done.set_result(found)
    return done
