"""ProgramDevice: what the language models of programs cost on a device of this machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tradewind.core import Measurement, Objective
from tradewind.evaluators.device import DeviceEvaluator
from tradewind.programs import Sizes
from tradewind.programs.space import SizedProgram


class ProgramDevice(DeviceEvaluator):
    """Measures ``latency_ms`` and ``peak_memory_mb`` of programs as models of `sizes`; otherwise a `DeviceEvaluator`.

    >>> ProgramDevice("latency_ms", sizes=Sizes(d_model=16)).objectives
    (Objective('latency_ms@cpu', minimise, ms),)
    """

    def __init__(self, objectives: Sequence[str | Objective] | str, *, sizes: Sizes, **options: Any) -> None:
        super().__init__(objectives, **options)
        self._sizes = sizes

    def describe(self) -> dict[str, Any]:
        """Also the models' sizes."""
        return super().describe() | {"sizes": dataclasses.asdict(self._sizes)}

    def _measure(self, candidate: Any) -> dict[str, Measurement]:
        return super()._measure(SizedProgram(candidate, self._sizes))
