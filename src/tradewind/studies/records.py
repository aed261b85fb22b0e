"""Evaluations as rows with a checksum, and back; what comes from an evaluator is made storable here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradewind.core import Evaluation, FileFormatError, Measurement, Objective, UsageError
from tradewind.core.files import canonical_json, parse_json
from tradewind.programs import read_candidate
from tradewind.studies.schema import evaluation_digest


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table `evaluation`, without its number."""

    role: str
    position: int
    candidate_id: str
    candidate: str
    measurements: str
    seconds: float
    sha256: str = ""
    fidelity: int | None = None


@dataclasses.dataclass(frozen=True)
class Damage:
    """Something in a stored study that is not as it was written: where, and how that shows."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


def encode(evaluation: Evaluation) -> Row:
    """The row of an evaluation whose measurements passed `storable`."""
    row = Row(
        role=evaluation.role,
        position=evaluation.index,
        candidate_id=evaluation.candidate.id,
        candidate=canonical_json(evaluation.candidate.to_dict()),
        measurements=canonical_json({name: m.to_dict() for name, m in evaluation.measurements.items()}),
        seconds=float(evaluation.seconds),
        fidelity=evaluation.fidelity,
    )
    return dataclasses.replace(row, sha256=evaluation_digest(row))


def decode(row: Any) -> Evaluation | Damage:
    """The evaluation of a row; `Damage` where the checksum does not hold or the content is not what it should be."""
    where = f"evaluation {row.number} ({row.role} {row.position})"
    if not _matches(row):
        return Damage(where, "its content does not match its checksum")
    try:
        return Evaluation(
            index=row.position,
            candidate=read_candidate(parse_json(row.candidate)),
            measurements={name: Measurement.from_dict(m) for name, m in parse_json(row.measurements).items()},
            role=row.role,
            seconds=row.seconds,
            fidelity=row.fidelity,
        )
    except (FileFormatError, UsageError, AttributeError, TypeError, ValueError) as error:
        return Damage(where, str(error)[:200])


def _matches(row: Any) -> bool:
    try:
        return evaluation_digest(row) == row.sha256
    except (TypeError, ValueError):  # a damaged cell may be of another type
        return False


def only(found: Any) -> Any:
    """What an evaluator gave for the one candidate that it was asked about; nothing if it gave none or several."""
    return found[0] if isinstance(found, (list, tuple)) and len(found) == 1 else {}


def storable(found: Any, objectives: Sequence[Objective]) -> dict[str, Measurement]:
    """The measurements of one candidate as they are stored: complete, finite, plain.

    An objective that the evaluator left out, gave in another unit or as anything but a Measurement of a number is a
    failed measurement. NaN, infinities and negative amounts are ``invalid: why``; in spreads and details, which are
    beside the value, they become None or text.
    """
    given: Mapping[Any, Any] = found if isinstance(found, Mapping) else {}
    complete = {str(name): m for name, m in given.items() if isinstance(m, Measurement)}
    for objective in objectives:
        fault = _fault(given.get(objective.name), objective)
        if fault:
            complete[objective.name] = Measurement.failed(
                f"protocol: the evaluator gave {fault}", objective.unit, device=objective.device
            )
    return {name: _finite(m) for name, m in complete.items()}


def _fault(m: Any, objective: Objective) -> str:
    """What an evaluator gave instead of a measurement of an objective; nothing if it is one."""
    if m is None:
        return "no value"
    if not isinstance(m, Measurement):
        return f"a {type(m).__name__}, not a Measurement"
    value: Any = m.value
    if value is not None and not isinstance(value, (int, float, np.number)):
        return f"a {type(value).__name__} as the value"
    return m.unit if m.unit != objective.unit else ""


def _finite(m: Measurement) -> Measurement:
    spread = None if m.spread is None or not math.isfinite(m.spread) else float(m.spread)
    facts: dict[str, Any] = {
        "spread": spread,
        "n": int(m.n),
        "method": m.method,
        "device": m.device,
        "predicted": bool(m.predicted),
        "details": _plain(m.details),
    }
    if m.value is None:
        return dataclasses.replace(m, **facts)
    # Only logarithms may be below zero; a negative time, size or count is a broken counter.
    if m.unit != "nats" and -math.inf < m.value < 0:
        return Measurement.invalid(f"negative: {m.value}", m.unit, **facts)
    return Measurement.of(m.value, m.unit, **facts)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(child) for child in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
