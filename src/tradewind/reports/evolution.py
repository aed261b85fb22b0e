"""What a search of programs amounts to: who descends from whom, what changed on the way, and fresh trainings compared.

The parent of a program is in the details of its first measurement, as the search wrote it (``origin``).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Objective
from tradewind.pareto.wording import cell, label
from tradewind.programs import Program, diff

CONFIDENCE = 0.95
CHANGES = 4
"""Changes of one generation that are told; neutral ones gather in what has no effect."""


def details(evaluation: Evaluation, name: str, default: Any = None) -> Any:
    """A detail of an evaluation, from whichever measurement has it."""
    return next((m.details[name] for m in evaluation.measurements.values() if name in m.details), default)


def parent(evaluation: Evaluation) -> str | None:
    """The id of the program that was changed; None for the first one."""
    found = details(evaluation, "origin", {}).get("parent")
    return None if found is None else str(found)


def ancestry(evaluation: Evaluation, evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """The line of parents that leads to an evaluation, the first program first, itself last."""
    known = {e.candidate.id: e for e in evaluations}
    line = [evaluation]
    while (before := known.get(parent(line[-1]) or "")) is not None and before not in line:
        line.append(before)
    return line[::-1]


def lineage(evaluation: Evaluation, evaluations: Iterable[Evaluation]) -> list[str]:
    """The generations from the first program to one, a line each: the changes and the first measurement.

    A change of what has no effect is told as well: it was inherited, and may have mattered later.
    """
    return [
        f"#{after.index} from #{before.index}: {changes(before.candidate, after.candidate)}"
        f" ({label(Objective.parse(name))} {cell(found)})"
        for before, after in itertools.pairwise(ancestry(evaluation, evaluations))
        for name, found in list(after.measurements.items())[:1]
    ]


def changes(before: Program, after: Program, most: int = CHANGES) -> str:
    """What changed, in words; of many changes the first ones."""
    found = diff(before, after)
    more = f"; and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(found[:most]) + more


@dataclasses.dataclass(frozen=True)
class Retrained:
    """Fresh trainings of one program: validation loss of each seed in nats per token, beside the start's.

    `gain` is the start's loss minus the program's, of equal seeds, on the mean; `low` and `high` bound it (Student's t
    on the paired differences). They are NaN for the start itself and where fewer than two seeds are paired.
    """

    program: Program
    losses: Mapping[int, float]
    failed: int
    gain: float
    low: float
    high: float

    @property
    def mean(self) -> float:
        """Mean loss; NaN if every training failed."""
        return float(np.mean(list(self.losses.values()))) if self.losses else math.nan

    @property
    def deviation(self) -> float:
        """Standard deviation over the seeds; NaN for fewer than two."""
        return float(np.std(list(self.losses.values()), ddof=1)) if len(self.losses) > 1 else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Plain data; None where a number is not defined."""
        numbers = {k: getattr(self, k) for k in ("mean", "deviation", "gain", "low", "high")}
        return {
            "id": self.program.id,
            "seeds": len(self.losses),
            "failed": self.failed,
            "losses": {str(seed): loss for seed, loss in self.losses.items()},
            **{k: (None if math.isnan(v) else v) for k, v in numbers.items()},
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """The finding in words."""
        if not self.losses:
            return f"{self.program.id[:8]} trained again: all {self.failed} trainings failed"
        text = f"{self.program.id[:8]} trained again: {self.mean:.4f} nats per token"
        text += f" ± {self.deviation:.4f} over {len(self.losses)} seeds" if len(self.losses) > 1 else ""
        text += f", {self.failed} failed" if self.failed else ""
        if math.isnan(self.gain):
            return text
        better = "better" if self.gain > 0 else "worse"
        return f"{text}; {abs(self.gain):.4f} {better} than the start (95% [{self.low:+.4f}, {self.high:+.4f}])"


def retrained(evaluations: Sequence[Evaluation], start: Program) -> list[Retrained]:
    """Fresh trainings program by program, the start first and then by their mean loss.

    `evaluations` are those of the role ``retrain``.
    """
    losses: dict[str, dict[int, float]] = {}
    failed: dict[str, int] = {}
    programs: dict[str, Program] = {}
    for evaluation in evaluations:
        name = evaluation.candidate.id
        programs[name] = evaluation.candidate
        found = details(evaluation, "loss")
        losses.setdefault(name, {})
        failed.setdefault(name, 0)
        if found is None:
            failed[name] += 1
        else:
            losses[name][int(details(evaluation, "seed", 0))] = float(found)
    base = losses.get(start.id, {})
    rows = []
    for name, program in programs.items():
        pairs = [base[seed] - loss for seed, loss in losses[name].items() if seed in base]
        gain = (math.nan,) * 3 if name == start.id else interval(pairs)
        rows.append(Retrained(program, losses[name], failed[name], *gain))
    return sorted(rows, key=lambda r: (r.program.id != start.id, math.isnan(r.mean), r.mean))


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean of paired differences and its confidence interval by Student's t; NaN below two pairs.

    >>> [round(value, 3) for value in interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    if len(differences) < 2:
        return (math.nan,) * 3
    from scipy import stats

    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * error
    return mean, mean - reach, mean + reach


def value(evaluation: Evaluation, objective: Objective) -> float | None:
    """The value of an objective, if there is one."""
    found = evaluation.values([objective])
    return None if found is None else found[0]
