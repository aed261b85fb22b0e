"""A sample of a space that is spread evenly over the logarithm of decoder parameters.

A plain sample of a space has few small and few large members, and a rank correlation over a narrow range says little.
"""

from __future__ import annotations

import itertools

import numpy as np

from tradewind.core import Architecture, Space, UsageError
from tradewind.core.seeds import generator
from tradewind.costs import decoder_params

POOL = 20_000
"""Members of the space among which each stratum finds its architecture."""


def stratified(space: Space, n: int, low: float, high: float, seed: int = 0) -> list[Architecture]:
    """`n` architectures, rising in decoder parameters, one in each of `n` equal steps of log(decoder parameters).

    A pure function of the arguments: of the members of a large plain sample that lie in a step, one is drawn. Raises
    `UsageError` where a step is empty.

    >>> from tradewind import spaces
    >>> archs = stratified(spaces.get("gpt2"), 4, 1e6, 1e8, seed=0)
    >>> [round(float(np.log10(decoder_params(arch))), 1) for arch in archs]
    [6.2, 6.5, 7.2, 8.0]
    """
    if n < 1 or not 0 < low < high:
        raise UsageError(f"a sample of {n} between {low:g} and {high:g} decoder parameters; give n >= 1 and low < high")
    pool = space.sample_many(POOL, seed)
    sizes = np.asarray(decoder_params(pool))
    edges = np.geomspace(low, high, n + 1)
    rng = generator(seed, "stratified")
    chosen = []
    for a, b in itertools.pairwise(edges):
        inside = np.flatnonzero((sizes >= a) & (sizes < b))
        if not inside.size:
            raise UsageError(
                f"no member of {space.name} among {POOL:,} has {a:,.0f} to {b:,.0f} decoder parameters (they have "
                f"{sizes.min():,} to {sizes.max():,}); give other bounds, or fewer architectures"
            )
        chosen.append(pool[int(rng.choice(inside))])
    return chosen
