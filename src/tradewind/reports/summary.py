"""What a study amounts to in numbers: failures by reason, picks, how it was measured, caveats."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Measurement
from tradewind.pareto import normalise
from tradewind.pareto.wording import noun
from tradewind.reports.data import ReportData

DETAILS = ("batch", "seq_len", "context", "dtype", "logits", "threads", "warm_up", "runtime", "torch", "onnxruntime")
"""The details of a measurement that a report shows; anything else stays in the study."""
FOLDERS = re.compile(r"(?<!\w)~?/(?:[^\s/'\"]+/)+")
"""The folders of a path in a text."""


def failures(data: ReportData) -> dict[str, dict[str, int]]:
    """How many evaluations of the search failed or gave an invalid number, by kind of reason.

    An evaluation counts once for each kind among its objectives, so kinds may add up to more than the evaluations
    without values.
    """
    counts: dict[str, Counter[str]] = {"failed": Counter(), "invalid": Counter()}
    for evaluation in data.evaluations:
        for status, kind in {(m.status, _kind(m)) for m in _found(evaluation, data) if not m.ok}:
            counts[status][kind] += 1
    return {status: dict(sorted(kinds.items())) for status, kinds in counts.items()}


def first_reasons(data: ReportData) -> list[str]:
    """The first whole reason of every kind, without the folders of a path: they may name a person."""
    found: dict[str, str] = {}
    for measurement in (m for e in data.evaluations for m in _found(e, data) if not m.ok):
        found.setdefault(_kind(measurement), FOLDERS.sub("…/", measurement.reason))
    return [reason for kind, reason in found.items() if reason != kind]


@dataclasses.dataclass(frozen=True)
class Pick:
    """An evaluation on the frontier that a reader may want first, its rank there, and why."""

    reason: str
    rank: int
    evaluation: Evaluation


def picks(data: ReportData) -> list[Pick]:
    """The best of every objective and the most balanced one, without repeats (reasons joined).

    Balanced: the frontier scaled to [0, 1] in every objective, the point whose worst coordinate is smallest.
    """
    front = data.frontier
    if not len(front):
        return []
    points = data.points(front)
    chosen: dict[int, list[str]] = {}
    for column, objective in enumerate(data.objectives):
        word = "least" if objective.minimise else "most"
        chosen.setdefault(int(np.argmin(points[:, column])), []).append(f"{word} {noun(objective)}")
    ideal, nadir = points.min(axis=0), points.max(axis=0)
    spread = nadir > ideal
    if spread.sum() > 1:
        worst = normalise(points[:, spread], ideal[spread], nadir[spread]).max(axis=1)
        chosen.setdefault(int(np.argmin(worst)), []).append("most balanced")
    return [Pick(" and ".join(reasons), index + 1, front[index]) for index, reasons in chosen.items()]


def no_comparison(data: ReportData) -> str:
    """Why there is no comparison with the scaled baseline."""
    if not len(data.frontier):
        why = data.frontier.why_empty
        return f"{why[0].upper()}{why[1:]}: there is no frontier."
    if len(data.baseline) < 2:
        return "No scaled baseline was measured in this run, so nothing is compared with it."
    return "No architecture on the frontier has a size within those of the scaled baseline, so none is compared."


def caveats(data: ReportData) -> list[str]:
    """What a reader should know before trusting the numbers: lost evaluations, drift, damage."""
    lines = []
    lost = len(data.evaluations) - len(data.valued)
    if lost:
        kinds = [f"{n} {status} ({kind})" for status, found in failures(data).items() for kind, n in found.items()]
        first = f". The first of each: {'; '.join(whole)}" if (whole := first_reasons(data)) else ""
        lines.append(f"{lost} of {len(data.evaluations)} evaluations have no value: {', '.join(kinds)}{first}.")
    unstable = sum(any(m.ok and m.details.get("stable") is False for m in _found(e, data)) for e in data.valued)
    if unstable:
        lines.append(f"{unstable} of {len(data.valued)} have a time that had not settled when its measuring ended.")
    if data.drift:
        furthest = max((ratio for _, ratio in data.drift), key=lambda ratio: abs(ratio - 1))
        readings = f"{len(data.drift)} readings of the anchor"
        lines.append(
            f"The machine drifted by {100 * (furthest - 1):+.1f} % at most over {readings}."
            if len(data.drift) > 1
            else "Whether the machine drifted is unknown: its anchor was read once."
        )
    drifted = sum(any(m.details.get("drifted") for m in _found(e, data)) for e in data.valued)
    if drifted:
        done = "was divided by the drift" if data.setup.get("correct_drift") else "is shown as measured"
        lines.append(f"{drifted} of {len(data.valued)} were measured beyond the limit of drift; their time {done}.")
    lines += [f"{doubt}." for doubt in data.doubts]
    if data.damaged:
        lines.append(f"{len(data.damaged)} stored entries are damaged and left out: {'; '.join(data.damaged[:3])}.")
    return lines


def methods(data: ReportData) -> list[dict[str, Any]]:
    """For every objective how its values came about: method, device, repetitions, spread, conditions."""
    rows = []
    for objective in data.objectives:
        found = [m for e in (*data.evaluations, *data.baseline) if (m := e.measurements.get(objective.name)) and m.ok]
        relative = [m.spread / m.value for m in found if m.spread is not None and m.value]
        rows.append(
            {
                "objective": objective.name,
                "unit": objective.unit,
                "method": _distinct([m.method for m in found]),
                "predicted": any(m.predicted for m in found),
                "n_min": min((m.n for m in found), default=0),
                "n_max": max((m.n for m in found), default=0),
                "median_relative_spread": float(np.median(relative)) if relative else None,
                "conditions": {
                    key: values
                    for key in DETAILS
                    if (values := _distinct([m.details[key] for m in found if key in m.details]))
                },
            }
        )
    return rows


def _found(evaluation: Evaluation, data: ReportData) -> list[Measurement]:
    return [m for o in data.objectives if (m := evaluation.measurements.get(o.name)) is not None]


def _kind(lost: Measurement) -> str:
    return lost.reason.partition(":")[0].strip() or "unknown"


def _distinct(values: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values))
