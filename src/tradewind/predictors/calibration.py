"""Calibration: a device's cost models with everything they were fitted to, as one JSON file.

The file holds the space and the workload, the device's description, every raw measurement, the fitted prices and how
well they foretold each measurement that was left out. A calibrated device is then a device like any other: its name is
the file's, and ``latency_ms@laptop`` is predicted by ``laptop.json``.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tradewind.core import Architecture, Evaluation, FileFormatError, UsageError, Workload
from tradewind.core.files import content_hash, read_json, write_json
from tradewind.core.ranking import kendall
from tradewind.predictors.cost_model import FEWEST, CostModel, fit_cost_model
from tradewind.predictors.features import QUANTITIES

SCHEMA = 1
"""Version of the file's layout."""
TRUSTED_KENDALL = 0.9
"""Rank correlation of left-out predictions below which a fit is in doubt: a search would compare by its errors."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Cost models of one device on one space at one workload.

    `models` maps quantities to models; `measurements` holds one mapping a measured architecture with `architecture` and
    `measurements` as plain data; `facts` describes device and evaluator as they were.
    """

    name: str
    space: Mapping[str, Any]
    workload: Workload
    models: Mapping[str, CostModel]
    measurements: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any]

    @property
    def family(self) -> str:
        """The family of architectures that it can predict."""
        return str(self.space["family"])

    def model(self, quantity: str) -> CostModel:
        """The model of a quantity; raises `UsageError` for one that was not calibrated."""
        if quantity not in self.models:
            raise UsageError(f"{quantity} was not calibrated on {self.name} (calibrated: {', '.join(self.models)})")
        return self.models[quantity]

    def quality(self) -> list[dict[str, Any]]:
        """One row a quantity: measurements, and how well each was foretold when it was left out of the fit."""
        rows = []
        for quantity, model in self.models.items():
            values = self._values(quantity)
            errors = np.abs(model.errors)
            rows.append(
                {
                    "quantity": quantity,
                    "n": len(values),
                    "left_out_kendall": round(kendall(values * (1 + np.array(model.errors)), values), 4),
                    "left_out_median_error": float(np.median(errors)),
                    "left_out_p90_error": float(np.quantile(errors, 0.9)),
                    "half_width_90": model.half_width(0.9) if model.half_width(0.9) < np.inf else None,
                }
            )
        return rows

    def doubts(self, quantities: Collection[str] = QUANTITIES) -> list[str]:
        """Sentences that name what was measured but not calibrated, and the fits that a search should not rely on.

        Of some quantities where they are given.
        """
        measured = {key.partition("@")[0] for row in self.measurements for key in row["measurements"]}
        told = [
            f"{quantity} is not calibrated: {len(self._values(quantity))} of {len(self.measurements)} measurements "
            f"gave a value and {FEWEST} are needed{_reasons(self.measurements, quantity)}"
            for quantity in sorted(measured & set(quantities) - set(self.models))
        ]
        for row in self.quality():
            if row["quantity"] not in quantities:
                continue
            if not row["left_out_kendall"] >= TRUSTED_KENDALL:
                told.append(
                    f"{row['quantity']} is in doubt: measurements left out of the fit were ranked with Kendall's tau "
                    f"{row['left_out_kendall']:.2f}, below {TRUSTED_KENDALL}; measure more architectures, with nothing "
                    "else running"
                )
            if row["half_width_90"] is None:
                told.append(f"{row['quantity']}: {row['n']} measurements are too few for a 90% interval; measure more")
        return told

    def beyond(self, space: Mapping[str, Any]) -> list[str]:
        """What networks of another space have and none of the calibrated space, as ``n_layer 2..15 (2..3)``.

        What is predicted of them is extrapolated. A dimension that the calibrated space does not name is left out.
        """
        mine, others = _choices(self.space), _choices(space)
        told = []
        for name in sorted(mine.keys() & others.keys()):
            if _range(others[name]) and _range(mine[name]):
                (low, high), (least, most) = _range(others[name]), _range(mine[name])
                if low < least or high > most:
                    told.append(f"{name} {_span(low, high)} ({_span(least, most)})")
            elif new := [str(value) for value in others[name] if value not in mine[name]]:
                told.append(f"{name} {', '.join(new)}")
        return told

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file atomically; it names itself by content (`sha256`)."""
        data = self.to_dict()
        return write_json(path, data | {"sha256": content_hash(data)})

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the hash."""
        return {
            "schema": SCHEMA,
            "space": dict(self.space),
            "workload": self.workload.to_dict(),
            "models": {quantity: model.to_dict() for quantity, model in self.models.items()},
            "quality": self.quality(),
            "measurements": [dict(row) for row in self.measurements],
            "facts": dict(self.facts),
        }

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Calibration:
        """The calibration of a file, named after it; raises `FileFormatError` for anything else."""
        source = Path(path)
        data = read_json(source)
        if not isinstance(data, dict) or "models" not in data or "sha256" not in data:
            raise FileFormatError(
                f"{source} is no calibrated device; make one with: tradewind calibrate --out {source}"
            )
        if data.get("schema") != SCHEMA:
            raise FileFormatError(f"{source} has layout {data.get('schema')}; this version reads layout {SCHEMA}")
        if content_hash({key: value for key, value in data.items() if key != "sha256"}) != data["sha256"]:
            raise FileFormatError(f"{source} was changed after it was written; calibrate again or restore it")
        return Calibration(
            device_name(source),
            data["space"],
            Workload(**data["workload"]),
            {quantity: CostModel.from_dict(model) for quantity, model in data["models"].items()},
            tuple(data["measurements"]),
            data["facts"],
        )

    def _values(self, quantity: str) -> np.ndarray:
        """The measured values of a quantity that the model was fitted to."""
        return np.array([value for _, value in _measured(self.measurements, quantity)])


def calibrate(
    name: str,
    evaluations: Sequence[Evaluation],
    space: Mapping[str, Any],
    workload: Workload,
    facts: Mapping[str, Any],
    prior: Calibration | None = None,
) -> Calibration:
    """Fit every quantity with a physical model that was measured often enough; `doubts` names the others.

    `prior` is the calibration of a similar device, whose proportions count like a few measurements. Raises `UsageError`
    where no quantity was.
    """
    rows = tuple(
        {
            "architecture": e.candidate.to_dict(),
            "measurements": {name: m.to_dict() for name, m in e.measurements.items()},
        }
        for e in evaluations
    )
    measured = {key.partition("@")[0] for row in rows for key in row["measurements"]}
    models = {}
    for quantity in QUANTITIES:
        pairs = _measured(rows, quantity)
        if quantity in measured and len(pairs) >= FEWEST:
            archs, values = zip(*pairs, strict=True)
            earlier = prior.models.get(quantity) if prior else None
            models[quantity] = fit_cost_model(quantity, archs, values, workload, earlier)
    if not models:
        raise UsageError(
            f"nothing could be calibrated: a quantity needs {FEWEST} measurements with a value{_reasons(rows)}"
        )
    return Calibration(name, space, workload, models, rows, facts)


def device_name(path: str | os.PathLike[str]) -> str:
    """The name of the device that a file calibrates: the file's name without ending; raises `UsageError`."""
    name = Path(path).name.removesuffix(".json")
    if not can_name(name):
        raise UsageError(f"{name!r} cannot name a calibrated device; use letters, digits and . _ - and not cpu or cuda")
    return name


def can_name(name: str) -> bool:
    """Whether a calibrated device may have this name: those of this machine's devices, in any case, are taken.

    >>> can_name("laptop"), can_name("CPU"), can_name("cuda:1"), can_name("..")
    (True, False, False, False)
    """
    local = re.fullmatch(r"cpu|cuda(:\d+)?", name, re.IGNORECASE)
    return not local and bool(re.fullmatch(r"[A-Za-z0-9_.-]+", name)) and bool(name.strip("."))


def _choices(space: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of every dimension and constant of a space as plain data."""
    free = {dimension["name"]: list(dimension["choices"]) for dimension in space.get("dimensions", ())}
    return {name: [value] for name, value in space.get("constants", {}).items()} | free


def _range(values: Sequence[Any]) -> tuple[Any, ...]:
    """The least and the largest of numbers; nothing where they are names or flags."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return (min(values), max(values)) if numbers else ()


def _span(low: Any, high: Any) -> str:
    return f"{low}" if low == high else f"{low}..{high}"


def _reasons(rows: Sequence[Mapping[str, Any]], quantity: str = "") -> str:
    """The first reasons why measurements (of one quantity) have no value, as the end of a sentence."""
    found = sorted(
        {
            measurement["reason"]
            for row in rows
            for key, measurement in row["measurements"].items()
            if measurement.get("reason") and quantity in ("", key.partition("@")[0])
        }
    )
    return f" ({'; '.join(found[:3])})" if found else ""


def _measured(rows: Sequence[Mapping[str, Any]], quantity: str) -> list[tuple[Architecture, float]]:
    found = []
    for row in rows:
        for key, measurement in row["measurements"].items():
            if key.partition("@")[0] == quantity and (measurement.get("value") or 0) > 0:
                found.append((Architecture.from_dict(row["architecture"]), float(measurement["value"])))
    return found
