"""Energy of a call, from the device's own counter through zeus; where there is no counter there is no number.

Counters: RAPL for processor packages and their memory (Linux powercap), NVML for NVIDIA GPUs. They tick slowly (1 ms
and up to 100 ms) and count everything that the package or GPU does, so calls are repeated to fill long windows.
"""

from __future__ import annotations

import importlib.util
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradewind.core import DeviceError

POWERCAP = Path("/sys/class/powercap")
WINDOWS = 3
WINDOW_SECONDS = 0.5
_JOULES_PER_WH = 3600.0


def missing(device: str, powercap: Path = POWERCAP) -> str:
    """Why the energy of a device cannot be measured, as a sentence, or nothing where it can.

    >>> missing("cpu", Path("/nowhere"))
    'no energy counter on this device'
    """
    if device == "cpu":
        counters = list(powercap.glob("intel-rapl:*/energy_uj"))
        if not counters:
            return "no energy counter on this device"
        if not all(os.access(counter, os.R_OK) for counter in counters):
            return f"the energy counters in {powercap} may not be read by this user; see zeus's documentation"
    if importlib.util.find_spec("zeus") is None:
        return "reading the energy counter needs zeus; install it with: pip install 'tradewind[energy]'"
    return ""


def energy_wh(
    call: Callable[[], object], device: str, clock: Callable[[], float] = time.perf_counter
) -> tuple[list[float], int]:
    """Watt-hours a call, one number a window, and the calls in a window; `call` has run before.

    Raises `DeviceError` if the counter does not move.
    """
    from zeus.monitor import ZeusMonitor

    on_gpu = device.startswith("cuda")
    monitor = ZeusMonitor(
        gpu_indices=[int(device.partition(":")[2] or 0)] if on_gpu else [], cpu_indices=[] if on_gpu else None
    )
    start = clock()
    _window(monitor, call, 1)
    calls = max(1, math.ceil(WINDOW_SECONDS / max(clock() - start, 1e-9)))
    found = [_window(monitor, call, calls) / calls / _JOULES_PER_WH for _ in range(WINDOWS)]
    if min(found) <= 0:
        raise DeviceError("the energy counter did not move while the model ran")
    return found, calls


def _window(monitor: Any, call: Callable[[], object], calls: int) -> float:
    """Joules of `calls` calls."""
    monitor.begin_window("tradewind")
    for _ in range(calls):
        call()
    spent = monitor.end_window("tradewind")
    parts = (spent.gpu_energy, spent.cpu_energy, spent.dram_energy)
    return float(sum(joules for part in parts for joules in (part or {}).values()))
