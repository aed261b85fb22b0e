"""Which architectures to evaluate so that a few tell both what quality is made of and what a device charges.

Bayesian D-optimal (Chaloner and Verdinelli 1995, Statistical Science 10(3)): each step adds the architecture whose
values the models foretell least well, given how large coefficients usually are. Random members of deep spaces are all
alike, sums of many independent layers, so the pool holds the corners and members whose layers come in a few runs.

Symbols: n members chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewind.core import Architecture, Workload
from tradewind.core.seeds import generator
from tradewind.predictors.design import corners, most_telling, relative_rows, unit_size
from tradewind.predictors.quality_model import weighted_features

PATCHED, RANDOM = 600, 200
"""Members of the pool whose layers come in runs, and wholly random ones."""
RUNS = 3
"""Most runs of layers with the same choice."""
NOISE = 0.1
"""Standard deviation of a value beside that of a main effect."""


def mixed_pool(space: Any, seed: int) -> list[Architecture]:
    """Distinct members of a space: corners, members whose layers come in runs, random ones."""
    rng = generator(seed, "runs")
    tables, found = space.tables, [*corners(space)]
    for _ in range(PATCHED):
        row, depth = int(rng.choice(tables.distinct)), int(rng.choice(tables.depths))
        ends = np.sort(rng.integers(0, depth + 1, size=rng.integers(RUNS)))
        codes = tables.allowed[row, rng.integers(tables.counts[row], size=len(ends) + 1)]
        found.append(tables.build(row, np.repeat(codes, np.diff([0, *ends, depth]))))
    return list({arch.id: arch for arch in (*found, *space.sample_many(RANDOM, seed))}.values())


def quality_design(
    space: Any, pool: list[Architecture], n: int, seed: int, quantity: str, workload: Workload
) -> list[Architecture]:
    """Up to `n` of a pool that say most about a quality and about the prices of a device's quantity, in random order.

    >>> from tradewind import spaces
    >>> space = spaces.get("hwgpt-s")
    >>> picks = quality_design(space, mixed_pool(space, 0), 12, 0, "latency_ms", Workload())
    >>> len({arch.id for arch in picks}), {arch.d_model for arch in picks} >= {192, 768}
    (12, True)
    """
    rows = np.hstack([weighted_features(space, pool), unit_size(relative_rows(pool, quantity, workload))])
    picks = most_telling(rows / NOISE, min(n, len(pool)))
    return [pool[picks[i]] for i in generator(seed, "design", n).permutation(len(picks))]
