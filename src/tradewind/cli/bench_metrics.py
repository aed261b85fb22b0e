"""Metrics of a benchmark as they are typed: a calibrated device may be named by its file."""

from __future__ import annotations

import os
from pathlib import Path


def with_devices(metrics: str) -> str:
    """The metrics with every calibration file (``latency_ms@devices/laptop.json``) made known and under its name.

    Processes started later know the file too. Raises `FileFormatError` for a file that is no calibration.
    """
    return ",".join(_named(part.strip()) for part in metrics.split(","))


def _named(metric: str) -> str:
    quantity, at, device = metric.partition("@")
    if not at or not device.endswith(".json"):
        return metric
    from tradewind.predictors import calibrated_devices

    name = calibrated_devices.use(device)
    folders = os.environ.get(calibrated_devices.FOLDERS_VARIABLE, "devices").split(os.pathsep)
    folder = str(Path(device).absolute().parent)
    if folder not in folders:
        os.environ[calibrated_devices.FOLDERS_VARIABLE] = os.pathsep.join([folder, *folders])
    return f"{quantity}@{name}"
