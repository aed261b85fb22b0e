"""Oracles for operations and activations: torch itself watches our models run."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def count_flops() -> Callable[[Callable[[], Any]], int]:
    """Operations of a call, as torch's counter sees them (on the meta device: on the CPU it misses fused attention)."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    def count(call: Callable[[], Any]) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            call()
        return int(counter.get_total_flops())

    return count


@pytest.fixture(scope="session")
def peak_bytes() -> Callable[[Callable[[], Any]], int]:
    """The largest sum of bytes, alive at once, of the storages that a call without gradients makes."""
    torch = pytest.importorskip("torch")
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class LiveMemory(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.live: dict[int, int] = {}
            self.peak = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
            result = func(*args, **(kwargs or {}))
            for tensor in tree_leaves(result):
                if isinstance(tensor, torch.Tensor):
                    storage = tensor.untyped_storage()
                    if storage._cdata not in given and storage._cdata not in self.live:
                        self.live[storage._cdata] = storage.nbytes()
                        weakref.finalize(storage, self.live.pop, storage._cdata, None)
            self.peak = max(self.peak, sum(self.live.values()))
            return result

    def peak(call: Callable[[], Any]) -> int:
        with torch.no_grad(), LiveMemory() as memory:
            call()
        return memory.peak

    return peak
