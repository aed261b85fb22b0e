"""CalibratedMetric: a quantity of the user's calibrated device as one more metric of a benchmark.

``latency_ms@laptop`` is foretold by ``laptop.json`` (`tradewind.predictors.calibrated_devices` says where it is looked
for). The published devices' names cannot be taken, so a metric's name says which of the two is meant.

Symbols: N architectures.
"""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tradewind.benchmarks.schema import DEVICES
from tradewind.core import HWGPT, ArchitectureBatch, Measurement, UsageError
from tradewind.core.files import content_hash
from tradewind.predictors.calibrated_devices import find
from tradewind.predictors.calibration import Calibration
from tradewind.predictors.cost_model import CostModel


@dataclasses.dataclass(frozen=True)
class CalibratedMetric:
    """A quantity of a calibrated device, `model` foretelling it."""

    quantity: str
    calibration: Calibration
    model: CostModel

    def facts(self) -> dict[str, Any]:
        """The network and the workload that the numbers belong to."""
        load = self.calibration.workload
        return {"network": "profiled", "batch": load.batch, "seq_len": load.seq_len, "dtype": load.dtype}

    def query(self, batch: ArchitectureBatch, scale: str) -> Measurement:
        """The foretold measurement of one architecture, with its 90% interval and what to be wary of."""
        (found,) = self.model.measure(batch, self.calibration.name)
        width = self.model.half_width()
        assert found.value is not None
        interval = [found.value * (1 - width), found.value * (1 + width)] if math.isfinite(width) else None
        details = {**found.details, "interval_90": interval, "warnings": self.warnings(scale)}
        return dataclasses.replace(found, details=details)

    def warnings(self, scale: str) -> list[str]:
        """What the calibration doubts of this quantity, and whether it was made on another scale."""
        doubts = self.calibration.doubts([self.quantity])
        space = str(self.calibration.space.get("name", scale))
        other = [f"calibrated on {space}, so {scale} is an extrapolation"] if space != scale else []
        return doubts + other

    def std(self, mean: np.ndarray) -> np.ndarray:
        """Standard deviation of new measurements around foretold values, (N,), from those left out of the fit."""
        return np.asarray(1.4826 * float(np.median(np.abs(self.model.errors))) * mean)

    def draws(self, mean: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Single measurements as the device might give them, (N,): errors of left-out ones at levels 0..1."""
        return np.asarray(mean / (1 + np.quantile(self.model.errors, levels)))

    def identity(self) -> str:
        """Changes with the fitted prices."""
        return content_hash(self.model.to_dict())


def calibrated_metric(name: str) -> CalibratedMetric | None:
    """The metric of a name; None where it names no calibrated device.

    Raises `UsageError` for a device of another family and for a quantity that was not calibrated on it.
    """
    quantity, at, device = name.partition("@")
    if not at or device.lower() in DEVICES:
        return None
    file = find(device)
    return None if file is None else _load(file, file.stat().st_mtime_ns, quantity)


@lru_cache(maxsize=32)
def _load(file: Path, _changed: int, quantity: str) -> CalibratedMetric:
    calibration = Calibration.load(file)
    if calibration.family != HWGPT.family:
        raise UsageError(
            f"{calibration.name} was calibrated on {calibration.family}; calibrate it on a space of this benchmark, "
            f"under another name: tradewind calibrate --space hwgpt-s --out devices/{calibration.name}-hwgpt.json"
        )
    return CalibratedMetric(quantity, calibration, calibration.model(quantity))
