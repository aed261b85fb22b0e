"""The layout of HW-GPT-Bench's released ground truth (`stats.pkl`), turned into the table of `schema.py`.

Source: Sukthanker et al. 2024, arXiv 2405.10299, as its released API reads the file. Accepted is a dictionary

    {architecture string: {
        device: {"latencies": [ms, ...], "energies": [Wh, ...] or one number on a CPU},   # any of the thirteen devices
        "flops": ..., "params": ..., "float16_memory": MB, "bfloat16_memory": MB, "perplexity": ..., "accuracy": ...}}

in which anything but the architecture may be missing, and numbers may be numpy's. Faults of the release that are
mended, each with a note of how many numbers it touched: CPU observations in seconds among milliseconds (one and the
same list mixes them); FLOPs of 0, where the profiler's error was swallowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.benchmarks.forms import from_released_string
from tradewind.benchmarks.pickles import Numbers
from tradewind.benchmarks.schema import COUNTS, CPUS, DEVICES, arrow_schema
from tradewind.core import FileFormatError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ARCHITECTURES = 1_000_000
MAX_OBSERVATIONS = 1_000
WATT_HOURS = {"Wh": 1.0, "mWh": 1e-3, "kWh": 1e3}
"""Units in which energies may be given, in watt-hours. The release labels its watt-hours kWh."""

_SECONDS_BELOW = 100.0
"""Published CPU latencies are 475 to 65,000 ms; the same numbers in seconds lie below this."""

_WATTS = (5.0, 10_000.0)
"""Plausible median of 3600 · energy / latency (the release measured energy at up to eight times the batch)."""

_RELEASED_DEVICES = {**{device: device for device in DEVICES}, "P100": "p100"}
_RELEASED_METRICS = {
    **{name: name for name in (*COUNTS, "perplexity", "accuracy")},
    "float16_memory": "float16_memory_mb",
    "bfloat16_memory": "bfloat16_memory_mb",
}


def table_of(stats: Any, energy_unit: str = "Wh") -> tuple[pa.Table, list[str]]:
    """The table of a loaded `stats.pkl`, and notes on what was mended.

    Raises `FileFormatError` where the layout is another; the message names the architecture and what was found.
    """
    import pyarrow as pa

    if not isinstance(stats, dict) or not stats:
        raise FileFormatError(
            "the pickle is not the released ground truth: expected a dictionary from architecture strings "
            f"(gpt-s-10-768-...) to measurements, found {type(stats).__name__}"
        )
    if len(stats) > MAX_ARCHITECTURES:
        raise FileFormatError(f"the pickle holds {len(stats):,} architectures; at most {MAX_ARCHITECTURES:,} are read")
    rows = [_row(key, entry, WATT_HOURS[energy_unit]) for key, entry in stats.items()]
    columns = {name for row in rows for name in row}
    schema = arrow_schema(sorted(columns))
    notes = _mend_seconds(rows) + _mend_flops(rows)
    _check_energy(rows, energy_unit)
    return pa.Table.from_pylist(rows, schema=schema), notes


def _row(key: Any, entry: Any, watt_hours: float) -> dict[str, Any]:
    if not isinstance(key, str):
        raise FileFormatError(f"the pickle has the key {str(key)[:60]!r} where an architecture string belongs")
    arch = from_released_string(key)
    row: dict[str, Any] = {
        "embed_dim": arch.d_model,
        "n_layer": arch.n_layer,
        "n_head": list(arch.n_head),
        "mlp_ratio": list(arch.mlp_ratio),
        "bias": arch.bias,
    }
    if not isinstance(entry, dict):
        raise FileFormatError(f"{key}: expected a dictionary of measurements, found {type(entry).__name__}")
    for name, value in entry.items():
        if name in _RELEASED_DEVICES:
            device = _RELEASED_DEVICES[name]
            if not isinstance(value, dict):
                raise FileFormatError(f"{key}: {name} holds {type(value).__name__}, not latencies and energies")
            for metric, column, scale in (
                ("latencies", f"latency_ms.{device}", 1.0),
                ("energies", f"energy_wh.{device}", watt_hours),
            ):
                if value.get(metric) is not None:
                    row[column] = _numbers(value[metric], f"{key}: {metric} on {name}") * scale
        elif name in _RELEASED_METRICS:
            if value is not None:
                column, number = _RELEASED_METRICS[name], float(_numbers(value, f"{key}: {name}")[0])
                if column in COUNTS and not number.is_integer():
                    raise FileFormatError(f"{key}: {name} is {number}, not a whole number")
                row[column] = int(number) if column in COUNTS else number
        else:
            known = ", ".join((*_RELEASED_DEVICES, *_RELEASED_METRICS))
            raise FileFormatError(f"{key}: unknown entry {str(name)[:40]!r} (known: {known})")
    return row


def _numbers(value: Any, where: str) -> np.ndarray:
    """One number or a list of them, as float64 of shape (n,)."""
    if isinstance(value, Numbers):
        value = value.values if value.values is not None else []
    values = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
    if not 1 <= len(values) <= MAX_OBSERVATIONS:
        raise FileFormatError(f"{where}: {len(values):,} values; expected 1 to {MAX_OBSERVATIONS:,}")
    if isinstance(values, np.ndarray):
        return values.astype(np.float64)
    for number in values:
        if type(number) not in (int, float):
            raise FileFormatError(f"{where}: expected numbers, found {type(number).__name__}")
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        raise FileFormatError(f"{where}: a number is too large") from None


def _mend_seconds(rows: list[dict[str, Any]]) -> list[str]:
    """CPU observations in seconds become milliseconds, in place."""
    notes = []
    for device in CPUS:
        column, mended = f"latency_ms.{device}", 0
        for row in rows:
            if column in row:
                seconds = row[column] < _SECONDS_BELOW
                row[column][seconds] *= 1000
                mended += int(seconds.sum())
        if mended:
            notes.append(f"{device}: {mended:,} latencies were in seconds and are now milliseconds")
    return notes


def _mend_flops(rows: list[dict[str, Any]]) -> list[str]:
    """FLOPs of 0 stand for a swallowed error: no value, in place."""
    failed = [row for row in rows if row.get("flops") == 0]
    for row in failed:
        row["flops"] = None
    return [f"flops of {len(failed):,} architectures were 0, a failed count, and are now empty"] if failed else []


def _check_energy(rows: list[dict[str, Any]], unit: str) -> None:
    for device in DEVICES:
        latency, energy = f"latency_ms.{device}", f"energy_wh.{device}"
        watts = [
            3.6e6 * float(np.median(row[energy])) / float(np.median(row[latency]))
            for row in rows[:500]
            if energy in row and latency in row and np.median(row[latency]) > 0
        ]
        if watts and not _WATTS[0] <= (power := float(np.median(watts))) <= _WATTS[1]:
            raise FileFormatError(
                f"energies on {device} read as {unit} imply a median power of {power:,.3g} W; give the unit of the "
                f"file's energies ({', '.join(WATT_HOURS)})"
            )
