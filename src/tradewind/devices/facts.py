"""Facts of this machine that its measurements depend on; what cannot be read is "unknown", never assumed.

Only an allow-list: no host name, user, path or environment.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

UNKNOWN = "unknown"

_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_BOOST = Path("/sys/devices/system/cpu/cpufreq/boost")
_NO_TURBO = Path("/sys/devices/system/cpu/intel_pstate/no_turbo")
_NVIDIA = Path("/proc/driver/nvidia/version")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system, versions and clock policy.

    >>> sorted(machine())[:4]
    ['cores', 'governor', 'memory_gb', 'processor']
    """
    return {
        "processor": processor(),
        "cores": psutil.cpu_count(logical=False) or UNKNOWN,
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else UNKNOWN,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": version("torch"),
        "governor": _read(_FREQUENCY / "scaling_governor"),
        "turbo": _turbo(),
    }


def processor() -> str:
    """The processor's name as its maker gives it."""
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or UNKNOWN
    return platform.processor() or UNKNOWN


def gpu(index: int) -> dict[str, Any]:
    """Name, memory and driver of a CUDA device; loads torch."""
    import torch

    properties = torch.cuda.get_device_properties(index)
    driver = next((word for word in _read(_NVIDIA).split() if word[:1].isdigit() and "." in word), UNKNOWN)
    return {
        "gpu": properties.name,
        "gpu_memory_gb": round(properties.total_memory / 1e9, 1),
        "driver": driver,
        "cuda": torch.version.cuda or UNKNOWN,
    }


def version(package: str) -> str:
    """The installed version of a package, found without loading it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _turbo() -> str:
    """Whether the clock may rise above its base: "on", "off" or "unknown"."""
    boost, no_turbo = _read(_BOOST), _read(_NO_TURBO)
    if boost in ("0", "1"):
        return "on" if boost == "1" else "off"
    return {"0": "on", "1": "off"}.get(no_turbo, UNKNOWN)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return UNKNOWN
