"""Counting, sampling and enumerating the members of a space, from its tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch, UsageError
from tradewind.core.architecture import family
from tradewind.core.seeds import generator
from tradewind.spaces.tables import Tables


def size(t: Tables) -> int:
    """Number of distinct members: the sum over distinct rows and depths L of (layers allowed in the row)^L."""
    return sum(count**depth for count in t.counts[t.distinct].tolist() for depth in t.depths)


def sample(t: Tables, n: int, seed: int) -> ArchitectureBatch:
    """`n` independent members; row i depends on `seed` and i alone, whatever `n` is."""
    if n < 1:
        raise UsageError(f"cannot sample {n} architectures; ask for at least 1")
    if not isinstance(seed, (int, np.integer)):
        raise UsageError(f"the seed is {seed!r}; it must be a whole number")
    depth = np.array(t.depths)[_pick(generator(seed, "sample", "depth").random(n), len(t.depths))]
    rows = t.distinct[_pick(generator(seed, "sample", "whole").random(n), len(t.distinct))]
    draws = generator(seed, "sample", "layers").random((n, t.max_depth))
    codes = t.allowed[rows[:, None], _pick(draws, t.counts[rows][:, None])]
    return _batch(t, depth, rows, codes)


def every(t: Tables) -> Iterator[Architecture]:
    """Every member once: by depth, then row, then layers with the last varying fastest."""
    for depth, row in itertools.product(t.depths, t.distinct.tolist()):
        options = t.allowed[row, : t.counts[row]].tolist()
        for codes in itertools.product(options, repeat=depth):
            yield t.build(row, codes)


def layer_options(t: Tables) -> list[ArchitectureBatch]:
    """For each distinct row, the one-layer architectures that its layers may be."""
    found = []
    for row in t.distinct.tolist():
        codes = t.allowed[row, : t.counts[row], None]
        ones = np.ones(len(codes), dtype=np.int64)
        found.append(_batch(t, ones, row * ones, codes))
    return found


def _batch(t: Tables, depth: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> ArchitectureBatch:
    """Depths (N,), rows (N,) and codes (N, width) as a batch."""
    kind = family(t.family)
    per_layer, named = kind.per_layer_fields(), kind.named_fields()
    columns: dict[str, Any] = {}
    for i, name in enumerate(t.fields):
        values = [key[i] for key in t.keys]
        if name in named:
            if set(values) == {named[name][0]}:
                continue
            values = [named[name].index(value) for value in values]
        if isinstance(values[0], tuple):
            columns[name] = values[0]
        else:
            column = np.array(values)[rows]
            columns[name] = np.repeat(column[:, None], codes.shape[1], axis=1) if name in per_layer else column
    for g, dimension in enumerate(t.layered):
        choices = dimension.choices
        if dimension.name in named:
            choices = tuple(named[dimension.name].index(str(choice)) for choice in choices)
        columns[dimension.name] = np.array(choices)[t.code_digits[:, g]][codes]
    return ArchitectureBatch.of_columns(t.family, depth, **columns)


def _pick(uniform: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    """Indices below `count` from numbers in [0, 1); bias below count / 2^53."""
    return np.asarray((uniform * count).astype(np.int64))
