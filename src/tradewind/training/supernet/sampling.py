"""Which networks of a space a training step sees: random ones, the sandwich, or ones from bins of parameters.

Sources: the sandwich rule, Yu and Huang 2019, arXiv 1903.05134; for GPTs Sukthanker et al. 2024, arXiv 2405.10299.
Independent draws of every layer concentrate around the mean size; the bins undo that.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np

from tradewind import costs
from tradewind.core import Architecture, InvalidArchitectureError, UsageError, unknown
from tradewind.core.architecture import family
from tradewind.core.seeds import generator
from tradewind.spaces import ArchitectureSpace

STRATEGIES = ("sandwich", "random", "balanced")
BINS = 16
"""Bins of equal width between the smallest and the largest number of parameters."""
POOL = 2048
"""Architectures drawn to fill the bins."""


@dataclasses.dataclass(frozen=True)
class Sampling:
    """The networks of each step, `networks` of them, a pure function of `seed` and the step.

    ``sandwich``: the largest, the smallest, and random ones between; ``random``: members of the space as
    `space.sample_many` draws them; ``balanced``: from bins of equal width in the number of parameters, each bin as
    likely as any other. Raises `UsageError` for an unknown strategy or too few networks.

    >>> from tradewind import spaces
    >>> space = spaces.get("hwgpt-s", network="intended")
    >>> step = Sampling(space, "sandwich", 4).step(0, seed=1)
    >>> [costs.params(arch) for arch in step[:2]]
    [123651072, 13097472]
    """

    space: ArchitectureSpace
    strategy: str = "sandwich"
    networks: int = 4

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise unknown("strategy", self.strategy, STRATEGIES)
        least = 2 if self.strategy == "sandwich" else 1
        if self.networks < least:
            raise UsageError(f"{self.strategy} takes at least {least} networks a step; got {self.networks}")

    def step(self, step: int, seed: int) -> list[Architecture]:
        """The architectures of a step; the sandwich's largest comes first, its smallest second."""
        rng = generator(seed, "supernet", step)
        if self.strategy == "balanced":
            bins = [self.bins[i] for i in rng.integers(len(self.bins), size=self.networks)]
            return [members[int(rng.integers(len(members)))] for members in bins]
        ends = list(self.extremes[::-1]) if self.strategy == "sandwich" else []
        n = self.networks - len(ends)
        return [*ends, *(self.space.sample_many(n, int(rng.integers(2**62))) if n else [])]

    @cached_property
    def extremes(self) -> tuple[Architecture, Architecture]:
        """The smallest and the largest network of the space."""
        return extremes(self.space)

    @cached_property
    def bins(self) -> list[list[Architecture]]:
        """Members of the space by bins of parameters; bins without a member are left out."""
        rng = generator(0, "supernet", "bins")
        smallest, largest = self.extremes
        pool = [smallest, largest]
        for member in self.space.sample_many(POOL, 0):
            # Genes of a corner in a random share of the places: all sizes between the corners come about.
            pool.append(self.space.crossover(member, pool[int(rng.integers(2))], rng, float(rng.random())))
        sizes = np.asarray(costs.params(pool))
        edges = np.linspace(sizes.min(), sizes.max(), BINS + 1)[1:-1]
        places = np.digitize(sizes, edges)
        return [[pool[i] for i in np.flatnonzero(places == b)] for b in range(BINS) if (places == b).any()]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"space": self.space.to_dict(), "strategy": self.strategy, "networks": self.networks}


def extremes(space: ArchitectureSpace) -> tuple[Architecture, Architecture]:
    """The members with the fewest and the most parameters; of equals, those with the fewest and the most heads.

    >>> from tradewind import spaces
    >>> small, large = extremes(spaces.get("gpt2"))
    >>> (small.n_layer, small.d_model, small.d_inner[0]), (large.n_layer, large.d_model, large.d_inner[0])
    ((2, 128, 256), (15, 960, 4032))
    """
    few, many = space.depths[0], space.depths[-1]
    low, high = [], []
    for options in space.layer_options():
        order = np.lexsort((options.layer_sum("n_head"), np.asarray(costs.params(options))))
        low.append(_repeated(options[int(order[0])], few))
        high.append(_repeated(options[int(order[-1])], many))
    return min(low, key=_size), max(high, key=_size)


def spread(space: ArchitectureSpace, n: int, seed: int) -> list[Architecture]:
    """`n` distinct members over all sizes: both ends, then members of bins of parameters; fewer where there are fewer.

    >>> from tradewind import spaces
    >>> len(set(spread(spaces.get("hwgpt-s"), 20, seed=0)))
    20
    """
    sampling = Sampling(space, "balanced", 1)
    found = dict.fromkeys(sampling.extremes)
    for step in range(min(8 * n, 4 * n + POOL)):
        if len(found) >= min(n, space.size()):
            break
        found.setdefault(sampling.step(step, seed)[0])
    for member in space.sample_many(4 * n, seed):  # the bins hold a pool only
        if len(found) >= min(n, space.size()):
            break
        found.setdefault(member)
    return list(found)[:n]


def covering(space: ArchitectureSpace) -> Architecture:
    """The network whose weights hold those of every member: the largest value of every dimension.

    Raises `UsageError` for a space that one network cannot cover.
    """
    kind = family(space.family)
    rows = space.layer_options()
    largest = extremes(space)[1]
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        name = field.name
        if name in kind.named_fields():
            continue
        if name in kind.per_layer_fields():
            values[name] = (max(int(options.layer_max(name).max()) for options in rows),) * largest.n_layer
        elif name in (d.name for d in space.dimensions):
            values[name] = max(getattr(options[0], name) for options in rows)
        else:
            values[name] = getattr(largest, name)
    try:
        return kind(**values)
    except InvalidArchitectureError as error:
        raise UsageError(
            f"no one network holds all of {space.name} ({error}); narrow it so that the largest values of all "
            "dimensions go together"
        ) from error


def _repeated(layer: Architecture, depth: int) -> Architecture:
    return layer.replace(**{name: getattr(layer, name) * depth for name in layer.per_layer_fields()})


def _size(arch: Architecture) -> tuple[int, int]:
    return int(costs.params(arch)), sum(arch.n_head)
