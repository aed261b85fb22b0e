"""What HW-GPT-Bench measured: metrics, devices, units, and the workload behind each number.

Source: Sukthanker et al. 2024, arXiv 2405.10299, and its released measurements. A metric is an objective's name
(``latency_ms@a100``); in tables it is a column (``latency_ms.a100``).
"""

from __future__ import annotations

from typing import Any

from tradewind.benchmarks.schema import DEVICES, GPUS, OBSERVED, SINGLE
from tradewind.core import QUANTITIES, Objective, unknown
from tradewind.costs.hwgpt import PROFILED_BATCH, PROFILED_LENGTH
from tradewind.predictors import calibrated_devices

SCALES = ("s", "m", "l")
"""Scales with measurements; the wide spaces have none."""

QUALITY = ("perplexity", "accuracy")
MEMORY = ("bfloat16_memory_mb", "float16_memory_mb")
PUBLISHED_FORMS = ("params", "flops")
CLOSED = (*PUBLISHED_FORMS, "decoder_params")
"""Exact closed forms of the profiled network; the last was not published with the others and is asked for by name."""

PREDICTED = (*SINGLE, *OBSERVED)
"""Columns with a fitted predictor."""

METRICS = tuple(name.replace(".", "@") for name in (*PREDICTED, *PUBLISHED_FORMS))
"""What ``all`` means."""

KNOWN = tuple(dict.fromkeys((*METRICS, *CLOSED)))
"""Everything that is answered."""

_ENERGY_BATCH = 8
"""Batch at which energy was measured on GPUs at every scale, unlike latency."""


def column_of(metric: str | Objective) -> str:
    """The column of a metric; raises `UsageError` for one that the benchmark does not know.

    >>> column_of("latency_ms@a100")
    'latency_ms.a100'
    """
    name = str(metric)
    if name not in KNOWN:
        quantity, at, device = name.partition("@")
        if at and quantity in ("latency_ms", "energy_wh"):
            raise unknown("device of HW-GPT-Bench", device, (*DEVICES, *calibrated_devices.known()))
        if quantity in ("latency_ms", "energy_wh"):
            raise unknown("metric of HW-GPT-Bench", name, (f"{quantity}@{device}" for device in DEVICES))
        raise unknown("metric of HW-GPT-Bench", name, KNOWN)
    return name.replace("@", ".")


def unit_of(column: str) -> str:
    """The unit of a column's numbers."""
    return QUANTITIES[column.partition(".")[0]].unit


def device_of(column: str) -> str | None:
    """The device of a column, None where there is none."""
    return column.partition(".")[2] or None


def workload(scale: str, column: str) -> dict[str, Any]:
    """The network and the workload that a column's numbers belong to."""
    quantity, _, device = column.partition(".")
    if quantity in QUALITY:
        return {"network": "intended", "weights": "inherited from the supernet", "data": "OpenWebText"}
    facts: dict[str, Any] = {"network": "profiled"}
    if quantity in ("latency_ms", "energy_wh", "flops"):
        energy_on_gpu = quantity == "energy_wh" and device in GPUS
        facts |= {"batch": _ENERGY_BATCH if energy_on_gpu else PROFILED_BATCH[scale], "seq_len": PROFILED_LENGTH}
    return facts
