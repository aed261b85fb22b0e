"""Which entries of a shared weight a sub-network uses, and how they are taken from it and gradients given back.

A dimension of a weight is often nested: the rows of a `qkv` matrix are parts, heads and places in a head. A sub-network
keeps the first few of each level, so its weights are one strided slice of the shared ones.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Axis:
    """Of a dimension with the nested sizes `full`, outermost first, the first `kept` of each level.

    `picked`, if given, names the kept entries one by one instead; no entry twice.

    >>> Axis((3, 4), (3, 2)).indices().tolist()
    [0, 1, 4, 5, 8, 9]
    """

    full: tuple[int, ...]
    kept: tuple[int, ...]
    picked: tuple[int, ...] | None = None

    @classmethod
    def first(cls, full: int, kept: int) -> Axis:
        """The first `kept` of `full` entries."""
        return cls((full,), (kept,))

    @property
    def whole(self) -> bool:
        """Whether every entry is kept, in its place."""
        return self.full == self.kept and self.picked is None

    def indices(self) -> Tensor:
        """The kept entries of the flat dimension, int64."""
        if self.picked is not None:
            return torch.tensor(self.picked)
        places = torch.arange(math.prod(self.full)).view(self.full)
        return places[tuple(slice(k) for k in self.kept)].flatten()


@dataclasses.dataclass(frozen=True)
class Cut:
    """How one weight of a sub-network, of the given `shape`, is cut from the shared weight `name`.

    >>> weight = torch.arange(8.0).view(4, 2)
    >>> Cut("w", (Axis((2, 2), (2, 1)), Axis.first(2, 1)), (2, 1)).take(weight).tolist()
    [[0.0], [4.0]]
    """

    name: str
    axes: tuple[Axis, ...]
    shape: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether the shared weight is used as it is (in another shape, perhaps)."""
        return all(axis.whole for axis in self.axes)

    def take(self, weight: Tensor) -> Tensor:
        """The sub-network's weight, part of the graph of the shared one."""
        if self.whole:
            return weight.view(self.shape)
        taken: Tensor = _Take.apply(weight, self)  # type: ignore[no-untyped-call]
        return taken

    def gather(self, weight: Tensor) -> Tensor:
        """The sub-network's weight: a view of the shared one where strides can express it, else a copy."""
        if any(axis.picked is not None for axis in self.axes):
            return weight[self._grid()].reshape(self.shape)
        return self._nested(weight).reshape(self.shape)

    def scatter_add(self, gradient: Tensor, whole: Tensor) -> None:
        """Add a gradient of this shape to its place in one of the shared weight's."""
        if any(axis.picked is not None for axis in self.axes):
            grid = self._grid()
            whole[grid] += gradient.view(whole[grid].shape)
        else:
            place = self._nested(whole)
            place.add_(gradient.reshape(place.shape))

    def _nested(self, weight: Tensor) -> Tensor:
        full = [size for axis in self.axes for size in axis.full]
        kept = [slice(size) for axis in self.axes for size in axis.kept]
        return weight.view(full)[tuple(kept)]

    def _grid(self) -> tuple[Tensor, ...]:
        return torch.meshgrid([axis.indices() for axis in self.axes], indexing="ij")


class _Take(torch.autograd.Function):
    """`Cut.gather` with a gradient: one step back, however many levels and dimensions were cut."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, cut: Cut) -> Tensor:
        """The slice."""
        ctx.cut, ctx.like = cut, weight.shape
        return cut.gather(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The gradient in its place, zero elsewhere."""
        whole = gradient.new_zeros(ctx.like)
        ctx.cut.scatter_add(gradient, whole)
        return whole, None
