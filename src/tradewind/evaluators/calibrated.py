"""Devices that were calibrated: their quantities predicted from a calibration file, found by the device's name.

``latency_ms@laptop`` is answered by ``laptop.json``, looked for among the files named with `use`, then in the folders
of the environment variable TRADEWIND_DEVICES (``devices/`` where it is not set).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tradewind.core import Measurements, Objective, Space, UsageError, Workload, parse_objectives
from tradewind.core.files import content_hash
from tradewind.core.layerwise import Layerwise
from tradewind.predictors.calibration import Calibration, can_name

FOLDERS_VARIABLE = "TRADEWIND_DEVICES"

_files: dict[str, Path] = {}


def use(path: str | os.PathLike[str]) -> str:
    """Make the device of a calibration file known in this process; returns its name. Raises `FileFormatError`."""
    name = Calibration.load(path).name
    _files[name] = Path(path).absolute()
    return name


def find(name: str) -> Path | None:
    """The calibration file of a device, None where there is none, and for names that no calibrated device may have."""
    if not can_name(name):
        return None
    if name in _files:
        return _files[name]
    folders = os.environ.get(FOLDERS_VARIABLE, "devices").split(os.pathsep)
    return next((file for folder in folders if (file := Path(folder) / f"{name}.json").is_file()), None)


def known() -> list[str]:
    """Names of the calibrated devices that `find` would find, sorted."""
    folders = os.environ.get(FOLDERS_VARIABLE, "devices").split(os.pathsep)
    files = [file for folder in folders if Path(folder).is_dir() for file in Path(folder).glob("*.json")]
    return sorted({*_files, *(file.stem for file in files if can_name(file.stem))})


class CalibratedEvaluator:
    """Predicts quantities of one calibrated device; deterministic, every measurement marked as predicted.

    Raises `UsageError` for a quantity that was not calibrated, and where `space` or `workload` (if given) is not what
    the device was calibrated for.
    """

    deterministic = True

    def __init__(
        self,
        objectives: Sequence[str | Objective] | str,
        calibration: Calibration,
        workload: Workload | None = None,
        space: Space | None = None,
    ) -> None:
        self._objectives = parse_objectives(objectives, calibration.name)
        self._calibration = calibration
        self._models = {objective: calibration.model(objective.quantity) for objective in self._objectives}
        if space is not None and space.to_dict()["family"] != calibration.family:
            raise UsageError(
                f"{calibration.name} was calibrated on {calibration.family}, not on the family of {space.name}; "
                f"calibrate it on {space.name} under another name"
            )
        if workload is not None and workload != calibration.workload:
            raise UsageError(
                f"{calibration.name} was calibrated for {_words(calibration.workload)}, not for {_words(workload)}; "
                "ask for that workload or calibrate again"
            )

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The predicted quantities."""
        return self._objectives

    @property
    def layerwise(self) -> dict[str, Layerwise]:
        """The models taken apart into layers, by objective name."""
        return {objective.name: model.layerwise() for objective, model in self._models.items()}

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order."""
        if not candidates:
            return []
        name = self._calibration.name
        columns = {o.name: model.measure(candidates, name) for o, model in self._models.items()}
        return [{key: column[row] for key, column in columns.items()} for row in range(len(candidates))]

    def describe(self) -> dict[str, Any]:
        """The device's name and the hash of its models: another calibration is another evaluator."""
        return {
            "kind": "calibrated",
            "objectives": [objective.name for objective in self._objectives],
            "device": self._calibration.name,
            "models": content_hash({o.name: model.to_dict() for o, model in self._models.items()}),
        }

    def close(self) -> None:
        """Nothing is held open."""


def build(objectives: Sequence[Objective], *, workload: Workload, space: Space | None, **_: Any) -> CalibratedEvaluator:
    """The evaluator of objectives on one calibrated device, found by name; raises `UsageError`."""
    names = {objective.device for objective in objectives}
    if len(names) > 1:
        raise UsageError(f"objectives on several calibrated devices ({', '.join(sorted(map(str, names)))}); name one")
    file = find(str(names.pop()))
    if file is None:
        raise UsageError(f"no calibration file; there are {', '.join(known()) or 'none'}")
    return CalibratedEvaluator(objectives, Calibration.load(file), workload, space)


def _words(load: Workload) -> str:
    return f"batch {load.batch} x {load.seq_len} tokens, context {load.context}, {load.dtype}, logits {load.logits}"
