"""Devices of this machine: a place where cost is measured, by name."""

from __future__ import annotations

import abc
import dataclasses
import functools
import importlib.util
import re
from typing import Any, ClassVar

from tradewind.core import DeviceError, UsageError, unknown
from tradewind.devices import energy, facts

QUANTITIES = ("latency_ms", "decode_latency_ms", "peak_memory_mb", "energy_wh")
"""What can be measured on a device."""

_NO_TORCH = "measuring needs torch, which is not installed; install it with: pip install 'tradewind[torch]'"


@dataclasses.dataclass(frozen=True)
class Device(abc.ABC):
    """One device with a fixed number of processor threads; get it with `get`.

    `name` stands after the ``@`` of objectives and is torch's name of the device.
    """

    name: str
    threads: int = 1

    default_warm_up: ClassVar[int] = 1
    """Untimed calls before the timed ones, for `Timing`."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise UsageError(f"threads is {self.threads}; it must be at least 1")

    @abc.abstractmethod
    def problem(self) -> str:
        """Why the device cannot be used here, with the remedy; nothing where it can."""

    def available(self) -> bool:
        """Whether the device can be used here."""
        return not self.problem()

    def unsupported(self, quantity: str) -> str:
        """Why a quantity of `QUANTITIES` cannot be measured here; nothing where it can."""
        return energy.missing(self.name) if quantity == "energy_wh" else ""

    def quantities(self) -> tuple[str, ...]:
        """The quantities that can be measured here."""
        return tuple(q for q in QUANTITIES if not self.unsupported(q))

    def describe(self) -> dict[str, Any]:
        """Facts that its measurements depend on."""
        return {"device": self.name, "threads": self.threads, **_machine()}


@dataclasses.dataclass(frozen=True)
class Cpu(Device):
    """The processor.

    >>> Cpu("cpu", threads=1).describe()["threads"]
    1
    """

    def problem(self) -> str:
        """Nothing but torch is needed."""
        return "" if importlib.util.find_spec("torch") else _NO_TORCH


@dataclasses.dataclass(frozen=True)
class Cuda(Device):
    """An NVIDIA GPU; ``cuda`` is ``cuda:0``."""

    # The first calls choose kernels and load them.
    default_warm_up: ClassVar[int] = 10

    @property
    def index(self) -> int:
        """Number of the GPU."""
        return int(self.name.partition(":")[2] or 0)

    def problem(self) -> str:
        """torch, built for CUDA, must see the GPU."""
        if not importlib.util.find_spec("torch"):
            return _NO_TORCH
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.index < count:
            return ""
        if torch.version.cuda is None:
            return f"torch {torch.__version__} is built without CUDA; install a CUDA build from pytorch.org, or use cpu"
        if not count:
            return "torch sees no NVIDIA GPU; check that nvidia-smi lists one and its driver is recent, or use cpu"
        return f"torch sees {count} GPU{'s' if count > 1 else ''}; use {', '.join(f'cuda:{i}' for i in range(count))}"

    def describe(self) -> dict[str, Any]:
        """Also the GPU, its driver and CUDA."""
        return super().describe() | facts.gpu(self.index)


def get(name: str, threads: int = 1) -> Device:
    """The device ``cpu``, ``cuda`` or ``cuda:N`` of this machine.

    Raises `UsageError` for another name and `DeviceError`, with the remedy, where it cannot be used here.

    >>> get("cpu", threads=2).quantities()[:3]
    ('latency_ms', 'decode_latency_ms', 'peak_memory_mb')
    """
    if name == "cpu":
        device: Device = Cpu(name, threads)
    elif re.fullmatch(r"cuda(:\d+)?", name):
        device = Cuda(name, threads)
    else:
        raise unknown("device of this machine", name, ("cpu", "cuda", "cuda:0"))
    problem = device.problem()
    if problem:
        raise DeviceError(f"{name} cannot be used here: {problem}")
    return device


@functools.cache
def _machine() -> dict[str, Any]:
    return facts.machine()
