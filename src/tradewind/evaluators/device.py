"""DeviceEvaluator: candidates measured on a device of this machine, with an eye on the machine's own drift.

A machine grows warm, throttles or shares its processor, and then all candidates look slower. One *anchor* architecture
is therefore measured again now and then; its time relative to its first (undisturbed) time is the drift, which every
measurement carries. Beyond a limit it is flagged. Times are divided by it on request only: one reading of the anchor
is as noisy as the numbers that it would correct, so this pays where a machine drifts by more than its noise.

A time that was taken while others had the processor is taken once more, and the reading with the larger share of the
processor is kept: the choice looks at the disturbance only, never at the times, so it favours no value.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from tradewind.core import (
    Evaluation,
    Measurement,
    Measurements,
    Objective,
    Space,
    UsageError,
    Workload,
    parse_objectives,
)
from tradewind.devices import QUANTITIES, Device, Runner, Timing, get, on_device
from tradewind.devices.timing import LEAST_CPU_SHARE

_TIMES = ("latency_ms", "decode_latency_ms")
"""Quantities that drift with the machine."""


def _cpu_share(measurement: Measurement) -> float:
    """Processor time over wall time while it was taken; 0 where it failed."""
    return float(measurement.details.get("cpu_share", 1.0)) if measurement.ok else 0.0


def _is_disturbed(measurement: Measurement) -> bool:
    """Whether others had the processor meanwhile."""
    unstable = measurement.ok and measurement.details.get("stable") is False
    return unstable and _cpu_share(measurement) < LEAST_CPU_SHARE


def beyond_positions(family: str, context: int | None, workload: Workload, quantities: Sequence[str]) -> str:
    """Why a workload is too long for architectures with `context` learned positions, with the remedy; else nothing.

    Only GPT-2 learns its positions: the other families take any length. Decoding needs one position more than are in
    the cache; quantities that are not measured need none.

    >>> beyond_positions("gpt2", 64, Workload(seq_len=64), ["latency_ms"])
    ''
    """
    if family != "gpt2" or context is None:
        return ""
    for quantity in quantities:
        decoding = quantity == "decode_latency_ms"
        needed = workload.context + 1 if decoding else workload.seq_len
        if quantity in QUANTITIES and needed > context:
            option = "--context" if decoding else "--length"
            return (
                f"{quantity} takes {needed} positions and these architectures have learned {context}; shorten the "
                f"workload ({option}) or give them more (--set context={needed})"
            )
    return ""


class DeviceEvaluator:
    """Measures `latency_ms`, `decode_latency_ms`, `peak_memory_mb` and `energy_wh` of candidates on one device.

    The device is the one that the objectives name, ``cpu`` where they name none. The worker starts with the first
    evaluation. `time_limit_s` and `memory_limit_mb` bound one candidate, building included.

    `anchor` is measured before the first candidate and again after every `anchor_every` candidates (0: never); without
    one, the first candidate that could be measured serves. Its readings are kept in `anchors`, as evaluations with the
    role ``anchor``; give those of an earlier session as `anchors`, and drift is relative to their first. Times carry
    ``drift`` and, where it is off by more than `drift_limit`, ``drifted`` in their details. With `correct_drift` they
    are divided by the drift; what was measured stays in the details as ``measured``.

    Raises `UsageError` for objectives that are not measured on one device, `DeviceError` where it cannot be used.

    >>> evaluator = DeviceEvaluator("latency_ms,peak_memory_mb")
    >>> evaluator.objectives
    (Objective('latency_ms@cpu', minimise, ms), Objective('peak_memory_mb@cpu', minimise, MB))
    """

    deterministic = False
    isolated = True
    """Candidates run in the worker: none of them can end the process that asks."""

    def __init__(
        self,
        objectives: Sequence[str | Objective] | str,
        *,
        device: Device | str | None = None,
        threads: int = 1,
        runtime: str = "torch",
        workload: Workload | None = None,
        timing: Timing | Mapping[str, float] | None = None,
        time_limit_s: float = 120.0,
        memory_limit_mb: float | None = None,
        anchor: Any = None,
        anchor_every: int = 10,
        drift_limit: float = 0.03,
        correct_drift: bool = False,
        anchors: Sequence[Evaluation] = (),
        runner: Runner | None = None,
    ) -> None:
        place = device or next((o.device for o in parse_objectives(objectives, "cpu") if o.device), "cpu")
        if isinstance(place, str):
            place = get(place, threads, runtime)
        self._objectives = on_device(objectives, place)
        self._times = [o.name for o in self._objectives if o.quantity in _TIMES]
        if anchor_every < 0:
            raise UsageError(f"anchor_every is {anchor_every}; it must be at least 0 (0: no anchor)")
        if isinstance(timing, Mapping):
            timing = Timing(**timing)  # type: ignore[arg-type]
        self._runner = runner or Runner(
            place, workload=workload, timing=timing, time_limit_s=time_limit_s, memory_limit_mb=memory_limit_mb
        )
        self.anchors = list(anchors)
        self._anchor = anchors[0].candidate if anchors else anchor
        self._anchor_every = anchor_every
        self._drift_limit = drift_limit
        self._correct_drift = correct_drift
        self._until_anchor = 0

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is measured."""
        return self._objectives

    @property
    def waited_s(self) -> float:
        """Seconds spent so far on waiting for the machine, which candidates did not take."""
        return self._runner.waited_s

    @property
    def drift(self) -> dict[str, float]:
        """The anchor's latest stable time relative to its first, by objective name; 1 where nothing has drifted.

        Readings that are not stable count only while there is no stable one: a single disturbed one would make all that
        follows look like drift.
        """
        ratios = {}
        for name in self._times:
            readings = [(value, m) for e in self.anchors if (value := (m := e.measurements[name]).value)]
            stable = [value for value, m in readings if m.details.get("stable", True)]
            values = stable or [value for value, _ in readings]
            if values:
                ratios[name] = values[-1] / values[0]
        return ratios

    def evaluate(self, candidates: Sequence[Any]) -> list[Measurements]:
        """One mapping a candidate, in order; anchors are measured between them when they are due."""
        found: list[Measurements] = []
        watching = self._anchor_every > 0 and bool(self._times)
        for candidate in candidates:
            if watching and self._anchor is not None and self._until_anchor <= 0:
                self.measure_anchor()
            start = self._worked_s()
            measurements = self._measure(candidate)
            self._until_anchor -= 1
            if watching and self._anchor is None and all(measurements[name].ok for name in self._times):
                self._anchor = candidate
                self._keep_anchor(measurements, start)
            drift = self.drift
            found.append({name: self._drifted(m, drift.get(name)) for name, m in measurements.items()})
        return found

    def measure_anchor(self) -> Evaluation:
        """Measure the anchor now, for instance after the last candidate; raises `UsageError` if there is none yet."""
        if self._anchor is None:
            raise UsageError("there is no anchor yet; give one, or evaluate a candidate first")
        start = self._worked_s()
        return self._keep_anchor(self._measure(self._anchor), start)

    def problem(self, space: Space) -> str:
        """Why no candidate of a space could be measured whole, with the remedy; nothing where they can."""
        for objective in self._objectives:
            reason = self._runner.device.unsupported(objective.quantity)
            if reason:
                return f"{objective} cannot be measured here: {reason}; leave it out or search on another device"
        facts = space.to_dict()
        context = facts.get("constants", {}).get("context")
        return beyond_positions(
            facts.get("family", ""), context, self._runner.workload, [o.quantity for o in self._objectives]
        )

    def describe(self) -> dict[str, Any]:
        """The device's facts, the workload and how times are taken."""
        return {
            "kind": "device",
            "objectives": [objective.name for objective in self._objectives],
            "device": self._runner.device.describe(),
            "workload": self._runner.workload.to_dict(),
            "timing": self._runner.timing.to_dict(),
            "correct_drift": self._correct_drift,
        }

    def close(self) -> None:
        """End the worker; safe to call twice, and a later evaluation starts another."""
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _measure(self, candidate: Any) -> dict[str, Measurement]:
        """One measurement an objective; disturbed times are taken twice, and say so as ``attempts`` in the details."""
        found = self._runner.measure(candidate, [o.quantity for o in self._objectives])
        disturbed = [quantity for quantity in _TIMES if quantity in found and _is_disturbed(found[quantity])]
        again = self._runner.measure(candidate, disturbed) if disturbed else {}
        for quantity, second in again.items():
            kept = max(found[quantity], second, key=_cpu_share)
            found[quantity] = dataclasses.replace(kept, details={**kept.details, "attempts": 2})
        return {o.name: found[o.quantity] for o in self._objectives}

    def _worked_s(self) -> float:
        """A clock that stands still while others have the machine."""
        return time.monotonic() - self.waited_s

    def _keep_anchor(self, measurements: Measurements, start: float) -> Evaluation:
        seconds = max(0.0, self._worked_s() - start)
        reading = Evaluation(len(self.anchors), self._anchor, measurements, role="anchor", seconds=seconds)
        self.anchors.append(reading)
        self._until_anchor = self._anchor_every
        return reading

    def _drifted(self, measurement: Measurement, ratio: float | None) -> Measurement:
        """The measurement with the drift at its time."""
        if ratio is None or measurement.value is None:
            return measurement
        details = {**measurement.details, "drift": round(ratio, 5)}
        if abs(ratio - 1) > self._drift_limit:
            details["drifted"] = True
        if not self._correct_drift:
            return dataclasses.replace(measurement, details=details)
        spread = None if measurement.spread is None else measurement.spread / ratio
        return dataclasses.replace(
            measurement,
            value=measurement.value / ratio,
            spread=spread,
            details={**details, "measured": measurement.value},
        )
