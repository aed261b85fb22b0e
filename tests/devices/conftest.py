"""Workers that misbehave on request, and looks at what processes are left."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tradewind.devices.isolation import Worker

HERE = Path(__file__).parent


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Worker]]:
    """Makes workers whose candidates do what they are told; all are closed in the end."""
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
    made = []

    def make(device: str = "cpu") -> Worker:
        made.append(Worker(device=device, module="misbehaving"))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


@dataclasses.dataclass(frozen=True)
class Misfit:
    """A candidate that carries an order for the misbehaving worker."""

    order: tuple[tuple[str, Any], ...]

    @property
    def id(self) -> str:
        return str(self.order)

    def to_dict(self) -> dict[str, Any]:
        return dict(self.order)


@pytest.fixture
def misfit() -> Callable[..., Misfit]:
    return lambda **order: Misfit(tuple(order.items()))


@pytest.fixture
def gone() -> Callable[[int], bool]:
    """Whether a process ends within a minute; a zombie that its parent has yet to collect counts as ended."""

    def check(pid: int) -> bool:
        end = time.monotonic() + 60.0
        while time.monotonic() < end:
            try:
                if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                    return True
            except psutil.NoSuchProcess:
                return True
            time.sleep(0.01)
        return False

    return check
