"""True peak memory of one candidate, weights and activations told apart, in 10^6 bytes.

On the CPU it is the resident high-water mark of the process (VmHWM in /proc/self/status, which writing 5 to
/proc/self/clear_refs resets), so work space inside libraries is counted as it is. Pages of program files, which are
faulted in when code first runs, are not: growth from before the build up to a call is that of anonymous and shared
memory, the peak within the call is that of all resident memory, after a first call has loaded the code. Meanwhile the
C library is told to give every large block back when it is freed, so that what is resident is what is in use; by
itself it would keep blocks, several percent of a small model, in a way that varies from run to run. The kernel keeps
these counters per processor and adds them up lazily: a reading is good to about 0.5 MB.

On CUDA it is torch's max_memory_allocated: tensors, without the context and what the caching allocator holds.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psutil

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


class Gauge(Protocol):
    """Made before a model is built; `weights` is set by `built`, after the build."""

    method: str
    weights: float

    def built(self) -> None:
        """Take note of the weights."""
        ...

    def peak(self, call: Callable[[], object]) -> float:
        """Run `call`, which has run once before, and return the peak above the time the gauge was made."""
        ...


class HighWaterGauge:
    """Resident high-water mark on Linux.

    >>> gauge = HighWaterGauge()
    >>> block = bytearray(500_000_000)
    >>> gauge.built()
    >>> 480 < gauge.weights < 520 and 680 < gauge.peak(lambda: bytearray(200_000_000)) < 720
    True
    """

    method = "resident high-water mark above the idle worker"

    def __init__(self) -> None:
        release()
        self._start = _unfiled(_status())
        self.weights = 0.0

    def built(self) -> None:
        """Take note of the weights."""
        release()
        self.weights = _unfiled(_status()) - self._start

    def peak(self, call: Callable[[], object]) -> float:
        """Peak in MB; see `Gauge`."""
        before = _status()
        _CLEAR_REFS.write_text("5")
        call()
        risen = _status()["VmHWM"] - before["VmRSS"]
        return _unfiled(before) - self._start + max(risen, 0.0)


class MaximumGauge:
    """Largest resident size since the process began (getrusage), where the mark cannot be reset: one use a process."""

    method = "largest resident size above the idle worker"

    def __init__(self) -> None:
        gc.collect()
        self._start = psutil.Process().memory_info().rss / 1e6
        self.weights = 0.0

    def built(self) -> None:
        """Take note of the weights."""
        gc.collect()
        self.weights = psutil.Process().memory_info().rss / 1e6 - self._start

    def peak(self, call: Callable[[], object]) -> float:
        """Peak in MB; see `Gauge`."""
        call()
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6 - self._start


class CudaGauge:
    """What torch's allocator handed out on one CUDA device."""

    method = "torch.cuda.max_memory_allocated"

    def __init__(self, device: str) -> None:
        import torch

        self._cuda = torch.cuda
        self._device = device
        gc.collect()
        self._cuda.synchronize(device)
        self._cuda.empty_cache()
        self._start = self._cuda.memory_allocated(device)
        self.weights = 0.0

    def built(self) -> None:
        """Take note of the weights."""
        self._cuda.synchronize(self._device)
        self.weights = (self._cuda.memory_allocated(self._device) - self._start) / 1e6

    def peak(self, call: Callable[[], object]) -> float:
        """Peak in MB; see `Gauge`."""
        self._cuda.reset_peak_memory_stats(self._device)
        call()
        self._cuda.synchronize(self._device)
        return (self._cuda.max_memory_allocated(self._device) - self._start) / 1e6


def gauge(device: str) -> Gauge:
    """The gauge for a torch device on this system."""
    if device.startswith("cuda"):
        return CudaGauge(device)
    try:
        _CLEAR_REFS.write_text("5")
    except OSError:
        return MaximumGauge()
    return HighWaterGauge()


def release() -> None:
    """Give free memory back to the system."""
    gc.collect()
    _in_c_library("malloc_trim", 0)


def return_blocks() -> None:
    """From now on give blocks of 64 KB and more back when they are freed, so that what is resident is in use."""
    _in_c_library("mallopt", _M_MMAP_THRESHOLD, 2**16)


def keep_blocks() -> None:
    """From now on keep freed blocks for the next call, up to 32 MB each, as a process that has run for long does.

    The C library gets there by itself, but along a way that depends on what was allocated before.
    """
    _in_c_library("mallopt", _M_MMAP_THRESHOLD, 2**25)
    _in_c_library("mallopt", _M_TRIM_THRESHOLD, 2**30)


def _in_c_library(name: str, *arguments: int) -> None:
    """Call a function that only glibc has."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)


def _status() -> dict[str, float]:
    """Memory lines of /proc/self/status in MB."""
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 / 1e6 for words in lines if words[-1] == "kB"}


def _unfiled(status: dict[str, float]) -> float:
    """Resident memory that does not stand for a file."""
    return status["RssAnon"] + status["RssShmem"]
