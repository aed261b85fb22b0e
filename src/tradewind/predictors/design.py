"""Which architectures to measure: a D-optimal design, so that few measurements pin all prices down.

A D-optimal design maximises det(XᵀX), the information about all coefficients together (Kiefer and Wolfowitz 1960). It
is built greedily from a pool: each step adds the row x with the largest xᵀ(XᵀX)⁻¹x, the one whose prediction is least
certain (the matrix determinant lemma makes that the best next row; Fedorov 1972).

Symbols: N pool members, F features, n members chosen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tradewind.core import Architecture, ArchitectureBatch, UsageError, Workload
from tradewind.core.seeds import generator
from tradewind.predictors.features import features

POOL = 2000
"""Architectures drawn from a space to choose a design from."""

RIDGE = 1e-6
"""Information before the first row, relative to a row's; it only orders the first F choices."""


def d_optimal(rows: np.ndarray, n: int, chosen: tuple[int, ...] = ()) -> list[int]:
    """Indices of `n` distinct rows of an (N, F) matrix, in the order in which they add most; `chosen` are given first.

    Columns are scaled, so units do not matter; give relative rows (divided by the expected value) where errors are
    relative. Deterministic; ties go to the lower index. Raises `UsageError` if the pool is smaller than `n`.

    >>> d_optimal(np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 9.0]]), 2)
    [2, 0]
    """
    rows = np.asarray(rows, dtype=float)
    if n > len(rows):
        raise UsageError(f"a design of {n} needs at least as many candidates; the pool has {len(rows)}")
    return most_telling(unit_size(rows) / np.sqrt(RIDGE), n, chosen)


def unit_size(rows: np.ndarray) -> np.ndarray:
    """Rows (N, F) with columns scaled to a mean square of 1."""
    return np.asarray(rows / np.maximum(np.sqrt(np.mean(rows**2, axis=0)), 1e-300))


def most_telling(rows: np.ndarray, n: int, chosen: tuple[int, ...] = ()) -> list[int]:
    """`d_optimal` where the scale means something: coefficients of variance 1 before, measurements of variance 1."""
    inverse = np.eye(rows.shape[1])
    order: list[int] = []
    free = np.ones(len(rows), dtype=bool)
    while len(order) < n:
        gains = np.einsum("ij,ij->i", rows @ inverse, rows)
        index = chosen[len(order)] if len(order) < len(chosen) else int(np.argmax(np.where(free, gains, -np.inf)))
        order.append(index)
        free[index] = False
        step = inverse @ rows[index]
        inverse = inverse - np.outer(step, step) / (1 + rows[index] @ step)
    return order


def pool_of(space: Any, seed: int) -> list[Architecture]:
    """Distinct random members of a space and its corners: what a design is chosen from."""
    return list({arch.id: arch for arch in (*corners(space), *space.sample_many(POOL, seed))}.values())


def design(pool: Sequence[Architecture], n: int, seed: int, quantity: str, workload: Workload) -> list[Architecture]:
    """Up to `n` architectures of a pool whose measurements say most about a quantity's prices.

    D-optimal for relative errors, and given in random order, so that a drifting machine does not look like a large
    network. A pure function of its arguments; a longer design is another one, not a continuation. Raises `UsageError`
    for a quantity without features.

    >>> from tradewind import spaces
    >>> pool = pool_of(spaces.get("gpt2"), seed=0)
    >>> picks = design(pool, 12, seed=0, quantity="latency_ms", workload=Workload())
    >>> len({arch.id for arch in picks}), {arch.n_layer for arch in picks} >= {2, 15}
    (12, True)
    """
    picks = d_optimal(relative_rows(pool, quantity, workload), min(n, len(pool)))
    return [pool[picks[i]] for i in generator(seed, "design", n).permutation(len(picks))]


def relative_rows(pool: Sequence[Architecture], quantity: str, workload: Workload) -> np.ndarray:
    """The features of a quantity as rows of relative errors, (N, F): each row over what it costs on average."""
    columns = features(quantity, ArchitectureBatch.of(pool), workload)
    rows = np.column_stack([np.broadcast_to(np.asarray(c, dtype=float), (len(pool),)) for c in columns.values()])
    rows = rows[:, rows.max(axis=0) > 0]
    # With every feature priced alike on average, a row over its sum is the row of a relative error.
    rows = rows / rows.mean(axis=0)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def corners(space: Any) -> Iterator[Architecture]:
    """Homogeneous members at the extremes: shallowest and deepest, first and last outer genes, every mix of per-layer
    extremes.
    """
    outer = list(space.layer_options())
    for options in (outer[0], outer[-1]) if len(outer) > 1 else outer:
        fields = options[0].per_layer_fields()
        columns = [options.columns[name][:, 0].astype(float) for name in fields if options.columns[name].shape[1]]
        scaled = [column / max(column.max(), 1.0) for column in columns]
        for signs in itertools.product((-1.0, 1.0), repeat=len(columns)):
            best = options[int(np.argmax(sum(sign * column for sign, column in zip(signs, scaled, strict=True))))]
            for depth in {space.depths[0], space.depths[-1]}:
                yield best.replace(**{name: getattr(best, name) * depth for name in fields})
