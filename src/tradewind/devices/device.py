"""Devices of this machine: a place where cost is measured, by name."""

from __future__ import annotations

import abc
import dataclasses
import functools
import importlib.util
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from tradewind.core import DeviceError, UsageError, Workload, unknown
from tradewind.devices import energy, facts

QUANTITIES = ("latency_ms", "decode_latency_ms", "peak_memory_mb", "energy_wh")
"""What can be measured on a device."""

RUNTIMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"torch": ("torch",), "onnxruntime": ("torch", "onnx", "onnxscript", "onnxruntime")}
)
"""What runs a candidate, and the packages that measuring it that way needs; the last one is what is measured."""
WORKERS: Mapping[str, str] = MappingProxyType(
    {"torch": "tradewind.devices.worker", "onnxruntime": "tradewind.devices.onnx_worker"}
)
"""The module of the isolated worker of each runtime."""

_NO_TORCH = "measuring needs torch, which is not installed; install it with: pip install 'tradewind[torch]'"


@dataclasses.dataclass(frozen=True)
class Device(abc.ABC):
    """One device with a fixed number of processor threads; get it with `get`.

    `name` stands after the ``@`` of objectives and is torch's name of the device. `runtime` is what runs the model:
    ``torch``, or on the CPU ``onnxruntime``. It is part of the description, so that a study keeps to one.
    """

    name: str
    threads: int = 1
    runtime: str = "torch"

    default_warm_up: ClassVar[int] = 1
    """Untimed calls before the timed ones, for `Timing`."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise UsageError(f"threads is {self.threads}; it must be at least 1")
        if self.runtime not in RUNTIMES:
            raise unknown("runtime", self.runtime, RUNTIMES)

    @abc.abstractmethod
    def problem(self) -> str:
        """Why the device cannot be used here, with the remedy; nothing where it can."""

    def available(self) -> bool:
        """Whether the device can be used here."""
        return not self.problem()

    def unsupported(self, quantity: str) -> str:
        """Why a quantity of `QUANTITIES` cannot be measured here; nothing where it can."""
        return energy.missing(self.name) if quantity == "energy_wh" else ""

    def check_workload(self, workload: Workload) -> None:
        """Raise `UsageError` where the runtime cannot be measured at a workload."""
        if self.runtime == "onnxruntime" and workload.dtype != "float32":
            raise UsageError(
                f"onnxruntime is measured in float32 only, since on a processor it would run {workload.dtype} through "
                "casts; leave --dtype out or measure with --runtime torch"
            )

    def quantities(self) -> tuple[str, ...]:
        """The quantities that can be measured here."""
        return tuple(q for q in QUANTITIES if not self.unsupported(q))

    def describe(self) -> dict[str, Any]:
        """Facts that its measurements depend on."""
        known = {"device": self.name, "threads": self.threads, "runtime": self.runtime, **_machine()}
        return known if self.runtime == "torch" else known | {self.runtime: facts.version(self.runtime)}


@dataclasses.dataclass(frozen=True)
class Cpu(Device):
    """The processor.

    >>> Cpu("cpu", threads=1).describe()["threads"]
    1
    """

    def problem(self) -> str:
        """Nothing but the packages of the runtime is needed."""
        missing = [name for name in RUNTIMES[self.runtime] if not importlib.util.find_spec(name)]
        if "torch" in missing or not missing:
            return _NO_TORCH if missing else ""
        return f"--runtime {self.runtime} needs {', '.join(missing)}; install it with: pip install 'tradewind[onnx]'"


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
        if self.runtime != "torch":
            return f"{self.runtime} is measured on the cpu only; use --device cpu, or --runtime torch"
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


def get(name: str, threads: int = 1, runtime: str = "torch") -> Device:
    """The device ``cpu``, ``cuda`` or ``cuda:N`` of this machine, with models run by ``torch`` or ``onnxruntime``.

    Raises `UsageError` for another name or runtime and `DeviceError`, with the remedy, where it cannot be used here.

    >>> get("cpu", threads=2).quantities()[:3]
    ('latency_ms', 'decode_latency_ms', 'peak_memory_mb')
    """
    if name == "cpu":
        device: Device = Cpu(name, threads, runtime)
    elif re.fullmatch(r"cuda(:\d+)?", name):
        device = Cuda(name, threads, runtime)
    else:
        raise unknown("device of this machine", name, ("cpu", "cuda", "cuda:0"))
    problem = device.problem()
    if problem:
        raise DeviceError(f"{name} cannot be used here: {problem}")
    return device


@functools.cache
def _machine() -> dict[str, Any]:
    return facts.machine()
