"""Text that breaks out of careless HTML, JSON, SVG, attributes and terminals."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.reports.synthetic import study

from tradewind.core import Evaluation, Measurement
from tradewind.reports import ReportData

PAYLOAD = (
    "</script></style></title><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>"
    "\"'><svg/onload=alert(3)><!--<a href='javascript:alert(4)'>&lt;b&gt;\u2028\u2029\x1b]0;owned\x07[red]"
)


class Hostile:
    """A candidate whose every text is the payload."""

    id = PAYLOAD
    n_layer = 2
    d_model = 64
    n_head = (2, 2)
    d_inner = (128, 256)

    def to_dict(self) -> dict[str, Any]:
        return {"family": PAYLOAD, PAYLOAD: [PAYLOAD]}


def hostile_study() -> ReportData:
    """A study in which every free text is the payload."""
    data = study(40)

    def attack(measurement: Measurement) -> Measurement:
        reason = f"{PAYLOAD}: x" if measurement.reason else ""
        details = {"torch": PAYLOAD, PAYLOAD: PAYLOAD}
        return dataclasses.replace(measurement, method=PAYLOAD, device=PAYLOAD, reason=reason, details=details)

    def attacked(evaluations: tuple[Evaluation, ...]) -> tuple[Evaluation, ...]:
        return tuple(
            Evaluation(e.index, Hostile(), {n: attack(m) for n, m in e.measurements.items()}, role=e.role)
            for e in evaluations
        )

    return dataclasses.replace(
        data,
        name=PAYLOAD,
        evaluations=attacked(data.evaluations),
        baseline=attacked(data.baseline),
        setup={"space": PAYLOAD, "algorithm": PAYLOAD, "processor": PAYLOAD, PAYLOAD: {PAYLOAD: [PAYLOAD]}},
        damaged=(PAYLOAD,),
    )
