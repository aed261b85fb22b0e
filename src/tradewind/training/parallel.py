"""Training on several processes: replicas (DDP) or shards (FSDP) of one model, started by torchrun.

Every process computes its rows of the one batch that a step has, so the result is that of one process with the whole
batch, but for the order in which floating-point sums are taken.

DDP: Li et al. 2020, arXiv 2006.15704. FSDP: Zhao et al. 2023, arXiv 2304.11277 (`torch.distributed.fsdp.fully_shard`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tradewind.core import UsageError, unknown

STRATEGIES = ("ddp", "fsdp")


@dataclasses.dataclass(frozen=True)
class Place:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1

    def rows(self, batch_size: int) -> slice:
        """The rows of a batch that are this process's; raises `UsageError` where they cannot be shared out equally."""
        if batch_size % self.size:
            raise UsageError(
                f"a batch of {batch_size} cannot be shared by {self.size} processes; use a batch size that is a "
                f"multiple of {self.size}"
            )
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)


def here() -> Place:
    """The place of the process that asks; alone unless a process group is up."""
    if dist.is_available() and dist.is_initialized():
        return Place(dist.get_rank(), dist.get_world_size())
    return Place()


@contextlib.contextmanager
def processes(device: str = "cpu") -> Iterator[tuple[Place, str]]:
    """Join the process group that torchrun has set up in the environment, if there is one, and leave it at the end.

    Gives this process's place and device: gloo on the CPU, nccl on CUDA with one GPU a process.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Place(), device
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield here(), device
    finally:
        dist.destroy_process_group()


def spread(module: nn.Module, strategy: str) -> nn.Module:
    """The module over all processes of the group; as it is where there is one process. Raises `UsageError`."""
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    if here().size == 1:
        return module
    if strategy == "ddp":
        return nn.parallel.DistributedDataParallel(module)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(next(module.parameters()).device.type, (here().size,))
    # Layers are gathered one at a time, unless the model reaches into them from outside, as one with a memory does.
    if not getattr(module, "remembers", False):
        for part in [layer for parts in module.modules() if isinstance(parts, nn.ModuleList) for layer in parts]:
            fully_shard(part, mesh=mesh)
    fully_shard(module, mesh=mesh)
    return module


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor gathered from all processes (all must ask), any other as it is."""
    gathered: Tensor = tensor.full_tensor() if _is_sharded(tensor) else tensor  # type: ignore[attr-defined]
    return gathered


@torch.no_grad()
def copy_into(target: Tensor, source: Tensor) -> None:
    """Copy a whole tensor into one that may be sharded."""
    if _is_sharded(target):
        from torch.distributed.tensor import distribute_tensor

        sharded: Any = target
        source = distribute_tensor(source.to(target.device), sharded.device_mesh, sharded.placements)
    target.copy_(source)


def average(tensor: Tensor) -> Tensor:
    """The mean over all processes."""
    if here().size > 1:
        dist.all_reduce(tensor)
        tensor = tensor / here().size
    return tensor


def gather_rows(tensor: Tensor) -> Tensor:
    """The rows of all processes one after the other."""
    if here().size == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(here().size)]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


def barrier() -> None:
    """Wait for all processes."""
    if here().size > 1:
        dist.barrier()


def _is_sharded(tensor: Any) -> bool:
    return hasattr(tensor, "full_tensor")
