"""Benchmarks as a source of measurements: objectives such as ``latency_ms@a100`` on the space of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tradewind.core import Evaluator, Objective, Space
from tradewind.evaluators import Source, register

OFFERS = "perplexity, accuracy, memory, latency_ms@DEVICE and energy_wh@DEVICE of a benchmark (tradewind bench list)"


def _matches(objective: Objective, space: Space | None) -> bool:
    from tradewind.benchmarks import hwgpt
    from tradewind.benchmarks.hwgpt.targets import CLOSED, METRICS

    return (
        space is not None
        and space.name in hwgpt.names()
        and objective.name in METRICS
        and objective.quantity not in CLOSED
    )


def _build(objectives: Sequence[Objective], *, space: Space, **_: Any) -> Evaluator:
    from tradewind.benchmarks import hwgpt

    return hwgpt.load(space.name).evaluator(objectives)


def offer() -> None:
    """Let `evaluators.for_objectives` answer from benchmarks; called once when studies are imported."""
    register(Source(name="benchmark", offers=OFFERS, matches=_matches, build=_build))
