"""Measurement: a value with unit, spread, number of observations, device and method; never a bare float at rest."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from tradewind.core.errors import FileFormatError

Status = Literal["ok", "failed", "invalid"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """One quantity of one candidate.

    `value` is None unless `status` is "ok"; `reason` then says why, as ``kind: detail`` (kinds of failure: ``crash``,
    ``timeout``, ``oom``, ``error``, ``protocol``, ``unsupported``, ``abandoned``; of invalid numbers: ``nan``,
    ``infinite``, ``negative``, ``zero``, ``unstable``, ``constraint`` for those of candidates that break one). `spread`
    is the inter-quartile range for measured values, the standard deviation for predicted ones (`method` tells).
    `details` holds what else makes the number reproducible (batch, length, dtype, threads, versions), plain JSON values
    only.

    >>> Measurement.of(12.7, "ms", spread=0.1, n=10, method="median wall time", device="cpu")
    Measurement(12.7 ms ± 0.1, n=10, cpu, median wall time)
    >>> Measurement.of(float("nan"), "ms", method="median wall time").reason
    'nan: the value is not a number'
    """

    value: float | None
    unit: str
    spread: float | None = None
    n: int = 1
    method: str = "closed form"
    device: str | None = None
    predicted: bool = False
    status: Status = "ok"
    reason: str = ""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, value: float, unit: str, **facts: Any) -> Measurement:
        """A measurement of a number; NaN and infinities become ``invalid`` with their reason and no value."""
        number = float(value)
        if math.isnan(number):
            return cls.invalid("nan: the value is not a number", unit, **facts)
        if math.isinf(number):
            return cls.invalid("infinite: the value has no bound", unit, **facts)
        whole = isinstance(value, (int, np.integer))
        return cls(value=int(value) if whole else number, unit=unit, **facts)

    @classmethod
    def failed(cls, reason: str, unit: str, **facts: Any) -> Measurement:
        """No value: the candidate crashed, hung, exhausted memory or is unmeasurable; `reason` is ``kind: detail``."""
        return cls(value=None, unit=unit, status="failed", reason=reason, **facts)

    @classmethod
    def invalid(cls, reason: str, unit: str, **facts: Any) -> Measurement:
        """No value: a number came back but cannot be used; `reason` is ``kind: detail``."""
        facts.pop("spread", None)
        return cls(value=None, unit=unit, status="invalid", reason=reason, **facts)

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.status == "ok"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the inverse of `from_dict`; fields at their default are left out."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        data["details"] = dict(self.details)
        return {k: v for k, v in data.items() if k in ("value", "unit") or v != _DEFAULTS[k]}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Measurement:
        """The measurement of a dictionary written by `to_dict`; raises `FileFormatError`."""
        try:
            measurement = Measurement(**data)
        except TypeError as error:
            raise FileFormatError(f"not a measurement: {error}") from error
        if measurement.ok != isinstance(measurement.value, (int, float)):
            raise FileFormatError(f"not a measurement: status {measurement.status!r} with value {measurement.value!r}")
        return measurement

    def __repr__(self) -> str:
        if self.value is None:
            return f"Measurement({self.status}: {self.reason})"
        number = f"{self.value:,}" if isinstance(self.value, int) else f"{self.value:.6g}"
        spread = f" ± {self.spread:.3g}" if self.spread is not None else ""
        facts = [f"{number} {self.unit}{spread}"]
        if self.n != 1:
            facts.append(f"n={self.n}")
        facts += [fact for fact in (self.device, "predicted" if self.predicted else None, self.method) if fact]
        return f"Measurement({', '.join(facts)})"


_DEFAULTS: dict[str, Any] = {
    f.name: f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
    for f in dataclasses.fields(Measurement)
}
