"""How numbers, objectives and architectures are written for people: short, with units, the same in every report."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, TypeVar

from tradewind.core import Architecture, Measurement, Objective

UNITS = (("T", 1e12, 0.9995e12), ("G", 1e9, 0.9995e9), ("M", 1e6, 0.9995e6), ("k", 1e3, 9999.5))
"""Letters for large numbers: name, size, and the least value that is written with it."""

T = TypeVar("T")


def short(value: float) -> str:
    """A number in at most four digits; large ones in thousands (k), millions (M), 10^9 (G) or 10^12 (T).

    >>> short(6_043_392), short(12345), short(12.7345), short(0)
    ('6.04 M', '12.3 k', '12.73', '0')
    """
    letter, size = _unit(value)
    if not letter:
        return f"{value:.4g}"
    scaled = value / size
    return f"{scaled:.3g} {letter}" if abs(scaled) < 999.5 else f"{scaled:.0f} {letter}"


def cell(measurement: Measurement) -> str:
    """A value and its spread to two digits, to be read under a unit; the status where there is no value.

    >>> cell(Measurement.of(12.7345, "ms", spread=0.118)), cell(Measurement.of(101.2, "ms", spread=3))
    ('12.73 ± 0.12', '101.2 ± 3.0')
    """
    value, spread = measurement.value, measurement.spread
    if value is None:
        return measurement.status
    letter, size = _unit(value)
    if not spread:
        return (
            short(value)
            if not letter or abs(value) >= 999.5 * size
            else f"{value / size:#.3g}".rstrip(".") + f" {letter}"
        )
    digits = min(max(1 - math.floor(math.log10(spread / size)), 0), 6)
    return f"{value / size:.{digits}f} ± {spread / size:.{digits}f} {letter}".rstrip()


def noun(objective: Objective) -> str:
    """An objective in words, without unit and device.

    >>> noun(Objective("peak_memory_mb", "cpu")), noun(Objective("decoder_params"))
    ('peak memory', 'decoder parameters')
    """
    bare = objective.quantity.removesuffix("_" + objective.unit.lower())
    return bare.replace("_", " ").replace("params", "parameters")


def label(objective: Objective, place: bool = True) -> str:
    """An objective in words with unit, and with its device unless that is said elsewhere.

    >>> label(Objective("latency_ms", "cpu")), label(Objective("decoder_params")), label(Objective("flops"))
    ('latency on cpu (ms)', 'decoder parameters', 'flops (FLOP)')
    """
    device = f" on {objective.device}" if place and objective.device else ""
    unit = "" if objective.unit in noun(objective) else f" ({objective.unit})"
    return f"{noun(objective)}{device}{unit}"


def shape(candidate: Any) -> dict[str, str]:
    """Depth, width, mean inner size and heads as short texts; only those the candidate has; blocks where not usual.

    >>> from tradewind.core import GPT2
    >>> shape(GPT2(d_model=128, n_head=(2, 4), d_inner=(256, 512)))
    {'layers': '2', 'd_model': '128', 'mean d_inner': '384', 'heads': '2-4'}
    >>> shape(GPT2(d_model=8, n_head=(2,) * 3, d_inner=(8,) * 3, block=("mdha", "mdha", "gelu")))["block"]
    '2 mdha, 1 gelu'
    """
    facts = {}
    if hasattr(candidate, "n_layer"):
        facts["layers"] = str(candidate.n_layer)
    if hasattr(candidate, "d_model"):
        facts["d_model"] = str(candidate.d_model)
    if hasattr(candidate, "d_inner"):
        facts["mean d_inner"] = f"{sum(candidate.d_inner) / len(candidate.d_inner):.0f}"
    if hasattr(candidate, "n_head"):
        low, high = min(candidate.n_head), max(candidate.n_head)
        facts["heads"] = str(low) if low == high else f"{low}-{high}"
    for name, (usual, *_) in candidate.named_fields().items() if isinstance(candidate, Architecture) else ():
        if set(getattr(candidate, name)) != {usual}:
            runs = itertools.groupby(getattr(candidate, name))
            facts[name] = ", ".join(f"{len(list(run))} {entry}" for entry, run in runs)
    return facts


def evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, evenly spaced, the first and the last among them.

    >>> evenly(range(10), 4)
    [0, 3, 6, 9]
    """
    if len(items) <= count:
        return list(items)
    return [items[i * (len(items) - 1) // (count - 1)] for i in range(count)]


def _unit(value: float) -> tuple[str, float]:
    return next(((letter, size) for letter, size, least in UNITS if abs(value) >= least), ("", 1.0))
