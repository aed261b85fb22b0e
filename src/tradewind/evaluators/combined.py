"""CombinedEvaluator: several evaluators as one, each for its own objectives."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from tradewind.core import Evaluation, Evaluator, Measurements, Objective, Space, UsageError
from tradewind.core.layerwise import Layerwise


class CombinedEvaluator:
    """Asks every part about every candidate, in the order of the parts, and joins what they measured.

    Deterministic if all parts are. Its fidelities are those of the parts that have any; a part that has none is asked
    once about a candidate, and its answer stands at every fidelity. Raises `UsageError` for no parts, for an objective
    that two parts measure, and for parts of unlike fidelities.

    >>> from tradewind.core import GPT2
    >>> from tradewind.evaluators import FormulaEvaluator
    >>> both = CombinedEvaluator([FormulaEvaluator("params"), FormulaEvaluator("flops")])
    >>> sorted(both.evaluate([GPT2(d_model=64, n_head=(2,), d_inner=(128,))])[0])
    ['flops', 'params']
    """

    def __init__(self, parts: Sequence[Evaluator]) -> None:
        self.parts = tuple(parts)
        if not self.parts:
            raise UsageError("a CombinedEvaluator needs at least one part")
        names = [objective.name for objective in self.objectives]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"two parts of a CombinedEvaluator measure {name}; leave it to one of them")
        levels = {tuple(getattr(part, "fidelities", ())) for part in self.parts} - {()}
        if len(levels) > 1:
            raise UsageError("two parts of a CombinedEvaluator report at unlike fidelities; give them the same")
        self.fidelities: tuple[int, ...] = levels.pop() if levels else ()
        self._answers: dict[tuple[int, str], Measurements] = {}

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The objectives of all parts, in their order."""
        return tuple(objective for part in self.parts for objective in part.objectives)

    @property
    def deterministic(self) -> bool:
        """Whether every part is."""
        return all(part.deterministic for part in self.parts)

    @property
    def isolated(self) -> bool:
        """Whether candidates run in another process wherever they run: in every part that is not deterministic."""
        running = [part for part in self.parts if not part.deterministic]
        return bool(running) and all(getattr(part, "isolated", False) for part in running)

    @property
    def layerwise(self) -> dict[str, Layerwise]:
        """What the parts know of how their objectives are made of layers."""
        return {name: terms for part in self.parts for name, terms in getattr(part, "layerwise", {}).items()}

    @property
    def anchors(self) -> list[Evaluation]:
        """The anchors' readings of the parts that watch a device drift."""
        return [reading for part in self.parts for reading in getattr(part, "anchors", ())]

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order, with the measurements of all parts."""
        if self.fidelities:
            return self.evaluate_at(candidates, self.fidelities[-1])
        return _joined([part.evaluate(candidates) for part in self.parts])

    @property
    def resumes(self) -> bool:
        """Whether every part that has fidelities goes on from where a candidate was."""
        return all(getattr(part, "resumes", False) for part in self.parts if getattr(part, "fidelities", ()))

    def evaluate_at(self, candidates: Sequence[Any], fidelity: int) -> list[Measurements]:
        """As `evaluate`, after `fidelity` of the resource of those parts that have fidelities."""
        return _joined([self._at(index, candidates, fidelity) for index in range(len(self.parts))])

    def learn(self, evaluations: Sequence[Evaluation]) -> None:
        """Let the parts that learn from what was told hear of it."""
        for part in self.parts:
            if hasattr(part, "learn"):
                part.learn(evaluations)

    @property
    def waited_s(self) -> float:
        """Seconds that the parts have waited for the machine so far."""
        return sum(getattr(part, "waited_s", 0.0) for part in self.parts)

    def problem(self, space: Space) -> str:
        """Why a part could measure no candidate of a space; nothing where all can."""
        problems = (part.problem(space) for part in self.parts if hasattr(part, "problem"))
        return next(filter(None, problems), "")

    def describe(self) -> dict[str, Any]:
        """The descriptions of the parts."""
        return {"kind": "combined", "parts": [part.describe() for part in self.parts]}

    def _at(self, index: int, candidates: Sequence[Any], fidelity: int) -> list[Measurements]:
        """What a part says at a fidelity; one that has none is asked about candidates that are new to it."""
        part = self.parts[index]
        if getattr(part, "fidelities", ()):
            found: list[Measurements] = part.evaluate_at(candidates, fidelity)  # type: ignore[attr-defined]
            return found
        new = {c.id: c for c in candidates if (index, c.id) not in self._answers}
        answers = part.evaluate(list(new.values())) if new else []
        self._answers |= {(index, name): answer for name, answer in zip(new, answers, strict=True)}
        return [self._answers[index, candidate.id] for candidate in candidates]

    def close(self) -> None:
        """Close every part, also when one of them fails to close."""
        with contextlib.ExitStack() as stack:
            for part in self.parts:
                stack.callback(part.close)


def _joined(shares: Sequence[Sequence[Measurements]]) -> list[Measurements]:
    """What the parts say of each candidate, in one mapping."""
    return [{name: m for share in of_one for name, m in share.items()} for of_one in zip(*shares, strict=True)]
