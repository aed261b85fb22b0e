"""Sufficient statistics of an architecture or of a batch of them, so that one formula serves integers and arrays.

Every closed form of this room depends on the per-layer values only through their sums and maxima. These functions
return a Python integer for an Architecture and an int64 array of shape (N,) for an ArchitectureBatch.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch
from tradewind.core.architecture import family

Shapes: TypeAlias = Architecture | ArchitectureBatch
"""One architecture or N of one family."""

Count: TypeAlias = int | np.ndarray
"""An integer, or an int64 array of shape (N,)."""


def scalar(shapes: Shapes, name: str) -> Count:
    """The value of a scalar field; booleans count 0 and 1.

    >>> from tradewind.core import GPT2
    >>> scalar(GPT2(d_model=64, n_head=(2,), d_inner=(128,)), "d_model")
    64
    """
    value = getattr(shapes, name)
    # Tables store narrow integers, whose products overflow.
    return value.astype(np.int64, copy=False) if isinstance(value, np.ndarray) else int(value)


def layer_sum(shapes: Shapes, name: str) -> Count:
    """The sum of a per-layer field, or of what the family derives for each layer, over the layers."""
    return shapes.layer_sum(name) if isinstance(shapes, ArchitectureBatch) else sum(shapes.layer_column(name))


def layer_max(shapes: Shapes, name: str) -> Count:
    """The largest value of a per-layer field, or of what the family derives for each layer."""
    return shapes.layer_max(name) if isinstance(shapes, ArchitectureBatch) else max(shapes.layer_column(name))


def has_names(shapes: Shapes, name: str) -> bool:
    """Whether a per-layer field of names, if the family has it, holds others than the usual one anywhere.

    >>> from tradewind.core import GPT2
    >>> has_names(GPT2(d_model=64, n_head=(2,), d_inner=(128,), block=("primer-ez",)), "block")
    True
    """
    choices = family(shapes.family).named_fields().get(name)
    if choices is None:
        return False
    if isinstance(shapes, ArchitectureBatch):
        return bool(shapes.columns[name].shape[1])
    return any(entry != choices[0] for entry in getattr(shapes, name))


def largest(*counts: Count) -> Count:
    """The elementwise maximum of several counts.

    >>> largest(3, 7, 5)
    7
    """
    if not any(isinstance(count, np.ndarray) for count in counts):
        return max(counts)
    top: np.ndarray = np.maximum.reduce(np.broadcast_arrays(*counts))
    return top


def indicator(condition: bool | np.ndarray) -> Count:
    """1 where the condition holds and 0 elsewhere, to switch terms of a formula.

    >>> indicator(np.array([True, False]))
    array([1, 0])
    """
    return condition.astype(np.int64) if isinstance(condition, np.ndarray) else int(condition)
