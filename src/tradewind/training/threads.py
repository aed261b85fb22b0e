"""One step's batch on several threads of the processor, each with its own rows from the first layer to the last.

Torch gives every single operation to all its threads, which then wait for each other several hundred times a step; a
thread that the machine holds up for a moment holds up all, and small operations are not worth sharing. Here each thread
computes loss and gradients of its rows alone, with modules of its own that share the weights, and they meet once: where
the gradients are added up, always in the same order. That is what processes do in `parallel`, without a second copy of
the weights. The result is that of one thread, but for the order in which floating-point sums are taken.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from tradewind.models.base import TokenModel

MOST = 4
"""Parts of a batch at most: each but the first takes memory for gradients of its own. More threads share them out."""

T = TypeVar("T")


class Replicas:
    """`size` modules with the same weights, the first of them `module`, and a thread for each.

    >>> replicas = Replicas(nn.Linear(1, 1, bias=False), 2)
    >>> data = torch.tensor([[3.0], [4.0]])
    >>> _ = replicas.run(lambda module, i: module(data[i]).sum().backward())
    >>> replicas.module.weight.grad
    tensor([[7.]])
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        self.module = module
        self._all = [module, *(_sharing_weights(module) for _ in range(size - 1))]
        self._pool = ThreadPoolExecutor(size - 1, "replica") if size > 1 else None

    def __len__(self) -> int:
        return len(self._all)

    def run(self, work: Callable[[Any, int], T]) -> list[T]:
        """What ``work(replica, i)`` returns for each i; gradients that it leaves are added to those of the first.

        Torch's threads are shared out meanwhile. An error of any thread is raised when all have ended.
        """
        if self._pool is None:
            return [work(self.module, 0)]
        threads = torch.get_num_threads()
        each = max(1, threads // len(self))

        for replica in self._all[1:]:
            replica.zero_grad()  # of a run that failed

        def on_thread(i: int) -> T:
            torch.set_num_threads(each)  # what a thread sets holds for its own operations
            return work(self._all[i], i)

        others = [self._pool.submit(on_thread, i) for i in range(1, len(self))]
        try:
            first = on_thread(0)
        finally:
            wait(others)
            torch.set_num_threads(threads)
        results = [first, *(other.result() for other in others)]
        self._collect()
        return results

    @torch.no_grad()
    def _collect(self) -> None:
        for replica in self._all[1:]:
            for weight, other in zip(self.module.parameters(), replica.parameters(), strict=True):
                if other.grad is None:
                    continue
                weight.grad = other.grad if weight.grad is None else weight.grad.add_(other.grad)
                other.grad = None


def parts(model: nn.Module, rows: int) -> int:
    """How many threads may train a model on a batch of so many rows: torch's, but at most `MOST`, and a row for each.

    One for a model that is not on the CPU, for one whose forward draws random numbers (dropout), and for a module that
    is no `TokenModel`: its forward might change it.
    """
    if not isinstance(model, TokenModel) or model.device.type != "cpu":
        return 1
    if any(isinstance(module, nn.Dropout) and module.p for module in model.modules()):
        return 1
    return max(1, min(torch.get_num_threads(), MOST, rows))


def slices(rows: int, size: int) -> list[slice]:
    """The rows of each of `size` parts of a batch, as equal as can be.

    >>> slices(5, 2)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    ends = [-(-rows * i // size) for i in range(size + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(ends)]


def _sharing_weights(module: nn.Module) -> nn.Module:
    """A copy of a module with parameters of its own whose numbers are the module's."""
    memo: dict[int, Tensor] = {
        id(weight): nn.Parameter(weight.detach(), weight.requires_grad) for weight in module.parameters()
    }
    return copy.deepcopy(module, memo)
