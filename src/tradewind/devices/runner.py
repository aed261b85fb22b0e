"""Runner: candidates in, measurements out, on one device, one at a time on the whole machine."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import psutil

from tradewind.core import QUANTITIES as ALL_QUANTITIES
from tradewind.core import Architecture, Measurement, Objective, UsageError, Workload, parse_objectives
from tradewind.devices.device import QUANTITIES, WORKERS, Device, get
from tradewind.devices.frames import ProtocolError
from tradewind.devices.isolation import Worker
from tradewind.devices.lock import MeasuringLock
from tradewind.devices.messages import Answer, Reading, Trial, read_answer
from tradewind.devices.timing import Timing

MEMORY_SHARE = 0.8
"""Share of the memory that is free when a runner is made that a candidate may take, where no limit is given."""

_FACTS = ("threads", "processor", "gpu", "runtime", "torch", "onnxruntime")
"""Of the device's description, what every measurement carries."""


class Runner:
    """Measures candidates in an isolated worker, which starts when first needed; use it in `with`, or `close` it.

    `time_limit_s` and `memory_limit_mb` (on top of the idle worker) bound one candidate, building included. `worker`
    and `lock` are replaced in tests only.
    """

    waited_s = 0.0
    """Seconds that it has waited so far for other measurements of this machine to end."""

    def __init__(
        self,
        device: Device | str = "cpu",
        *,
        workload: Workload | None = None,
        timing: Timing | None = None,
        time_limit_s: float = 120.0,
        memory_limit_mb: float | None = None,
        worker: Worker | None = None,
        lock: MeasuringLock | None = None,
    ) -> None:
        self.device = get(device) if isinstance(device, str) else device
        self.workload = workload or Workload()
        self.device.check_workload(self.workload)
        self.timing = timing or Timing(warm_up=self.device.default_warm_up)
        self.time_limit_s = positive("time_limit_s", time_limit_s)
        if memory_limit_mb is None:
            memory_limit_mb = MEMORY_SHARE * psutil.virtual_memory().available / 1e6
        self.memory_limit_mb = positive("memory_limit_mb", memory_limit_mb)
        self._worker = worker or Worker(self.device.name, self.device.threads, WORKERS[self.device.runtime])
        self._lock = lock or MeasuringLock()

    def measure(self, candidate: Any, quantities: Sequence[str]) -> dict[str, Measurement]:
        """The quantities of one candidate by name; a failure is a failed Measurement that says why.

        Waits while another measurement runs on this machine. Raises `DeviceError` if no worker can be started.
        """
        reasons = {q: f"unsupported: {why}" for q in quantities if (why := self.device.unsupported(q))}
        asked = [q for q in quantities if q not in reasons]
        found = {q: self._failed(q, reason) for q, reason in reasons.items()}
        if asked:
            found |= self._ask(candidate, asked)
        return {q: found[q] for q in quantities}

    def close(self) -> None:
        """End the worker; safe to call twice."""
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, candidate: Any, quantities: list[str]) -> dict[str, Measurement]:
        trial = Trial(
            candidate=candidate.to_dict(),
            quantities=quantities,
            device=self.device.name,
            threads=self.device.threads,
            workload=self.workload.to_dict(),
            timing=self.timing.to_dict(),
            runtime=self.device.runtime,
        )
        start = time.monotonic()
        with self._lock:
            self.waited_s += time.monotonic() - start
            reply = self._worker.ask(trial.model_dump(), self.time_limit_s, self.memory_limit_mb)
        try:
            if "failed" in reply:
                taken = {"peak_mb": reply.get("peak_mb"), "limit_mb": self.memory_limit_mb}
                return {q: self._failed(q, str(reply["failed"]), **taken) for q in quantities}
            answer = read_answer(reply.get("result"), quantities)
        except ProtocolError as error:
            return {q: self._failed(q, f"protocol: {error}") for q in quantities}
        return {q: self._measurement(q, answer.readings[q], answer) for q in quantities}

    def _measurement(self, quantity: str, reading: Reading, answer: Answer) -> Measurement:
        if reading.value is None:
            return self._failed(quantity, reading.failed)
        unit = ALL_QUANTITIES[quantity].unit
        facts = {
            "n": reading.n,
            "method": reading.method,
            "device": self.device.name,
            "details": self._details() | answer.facts | reading.details,
        }
        if reading.value <= 0:
            sign = "negative" if reading.value < 0 else "zero"
            return Measurement.invalid(f"{sign}: {reading.value:g} {unit} cannot be", unit, **facts)
        return Measurement.of(reading.value, unit, spread=reading.spread, **facts)

    def _failed(self, quantity: str, reason: str, **more: Any) -> Measurement:
        unit, details = ALL_QUANTITIES[quantity].unit, self._details() | more
        return Measurement.failed(reason, unit, method="not measured", device=self.device.name, details=details)

    def _details(self) -> dict[str, Any]:
        known = self.device.describe()
        return {
            **self.workload.to_dict(),
            **{name: known[name] for name in _FACTS if name in known},
        }


def measure(
    arch: Architecture,
    objectives: Sequence[str | Objective] | str = ("latency_ms", "decode_latency_ms", "peak_memory_mb"),
    device: Device | str = "cpu",
    workload: Workload | None = None,
    *,
    threads: int = 1,
    runtime: str = "torch",
    timing: Timing | None = None,
    time_limit_s: float = 120.0,
    memory_limit_mb: float | None = None,
) -> Mapping[str, Measurement]:
    """Measure one architecture: one Measurement an objective (``latency_ms`` or ``latency_ms@cpu``), by its name.

    Raises `UsageError` for what is not measured on this device and `DeviceError` where the device cannot be used.
    """
    place = get(device, threads, runtime) if isinstance(device, str) else device
    wanted = on_device(objectives, place)
    with Runner(
        place, workload=workload, timing=timing, time_limit_s=time_limit_s, memory_limit_mb=memory_limit_mb
    ) as runner:
        found = runner.measure(arch, [o.quantity for o in wanted])
    return {o.name: found[o.quantity] for o in wanted}


def on_device(objectives: Sequence[str | Objective] | str, device: Device) -> tuple[Objective, ...]:
    """The objectives, all of them measured on `device`, which is meant where they name none; else `UsageError`."""
    wanted = parse_objectives(objectives, device.name)
    for objective in wanted:
        if objective.quantity not in QUANTITIES:
            raise UsageError(f"{objective} is not measured on a device (those that are: {', '.join(QUANTITIES)})")
        if objective.device != device.name:
            raise UsageError(f"{objective} is not measured on {device.name}; make one evaluator a device")
    return wanted


def positive(name: str, value: float) -> float:
    """A limit that is a number above 0; raises `UsageError` for others."""
    if not 0 < value < math.inf:
        raise UsageError(f"{name} is {value}; it must be a number above 0")
    return float(value)
