"""Devices that were calibrated: their quantities predicted from a calibration file, found by the device's name.

``latency_ms@laptop`` is answered by ``laptop.json`` (`tradewind.predictors.calibrated_devices` says where).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradewind.core import Measurements, Objective, Space, UsageError, Workload, parse_objectives
from tradewind.core.files import content_hash
from tradewind.core.layerwise import Layerwise
from tradewind.predictors.calibrated_devices import find, known, use
from tradewind.predictors.calibration import Calibration

__all__ = ["CalibratedEvaluator", "build", "find", "known", "use"]


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
        self._doubts = calibration.doubts([objective.quantity for objective in self._objectives])
        if space is not None and (beyond := calibration.beyond(space.to_dict())):
            self._doubts.append(
                f"it was not calibrated for all that is searched: {', '.join(beyond)}; what it foretells there is "
                "extrapolated, so calibrate it on the space that is searched"
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
        """The device's name, a hash of its models (another calibration is another evaluator), what is in doubt."""
        return {
            "kind": "calibrated",
            "objectives": [objective.name for objective in self._objectives],
            "device": self._calibration.name,
            "models": content_hash({o.name: model.to_dict() for o, model in self._models.items()}),
            **({"doubts": self._doubts} if self._doubts else {}),
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
