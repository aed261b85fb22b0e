"""Which networks a step trains: inside the space, from corner to corner, a function of seed and step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tradewind import costs, spaces
from tradewind.core import UsageError
from tradewind.models.supernet.cuts import check
from tradewind.spaces import ArchitectureSpace
from tradewind.training.supernet import Sampling, covering, extremes
from tradewind.training.supernet.sampling import STRATEGIES

SPACES = {name: spaces.get(name) for name in ("gpt2", "transformer-xl", "hwgpt-s")}


def test_extremes_against_all_members(space: ArchitectureSpace) -> None:
    members = list(space.enumerate())
    sizes = costs.params(members)
    small, large = extremes(space)
    assert (costs.params(small), costs.params(large)) == (sizes.min(), sizes.max())
    assert space.contains(small)
    assert space.contains(large)
    for member in members:
        check(covering(space), member, range(member.n_layer))


@pytest.mark.parametrize("name", SPACES)
def test_the_covering_network_holds_every_member(name: str) -> None:
    full = covering(SPACES[name])
    for member in SPACES[name].sample_many(50, seed=0):
        check(full, member, range(member.n_layer))
    assert costs.params(full) >= costs.params(extremes(SPACES[name])[1])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_steps_are_members_and_can_be_replayed(strategy: str, space: ArchitectureSpace) -> None:
    sampling, again = Sampling(space, strategy, 3), Sampling(space, strategy, 3)
    steps = [sampling.step(i, seed=5) for i in range(20)]
    assert all(space.contains(arch) for arch in itertools.chain.from_iterable(steps))
    assert [again.step(i, seed=5) for i in reversed(range(20))] == steps[::-1]
    assert steps != [sampling.step(i, seed=6) for i in range(20)]
    assert all(len(step) == 3 for step in steps)


def test_sandwich_has_both_ends(space: ArchitectureSpace) -> None:
    small, large = extremes(space)
    assert all(Sampling(space).step(i, 0)[:2] == [large, small] for i in range(5))


def test_bins_spread_the_sizes() -> None:
    """Independent draws of layers crowd around the mean; the bins reach both ends."""
    space = SPACES["hwgpt-s"].narrow(d_model=768, n_layer=12)
    ends = [costs.params(arch) for arch in extremes(space)]

    def spread(strategy: str) -> float:
        sampling = Sampling(space, strategy, 1)
        archs = [sampling.step(i, 0)[0] for i in range(60)]
        return float(np.ptp(costs.params(archs)) / (ends[1] - ends[0]))

    assert spread("balanced") > 0.85 > 0.6 > spread("random")


def test_wrong_use(space: ArchitectureSpace) -> None:
    with pytest.raises(UsageError, match="did you mean 'sandwich'"):
        Sampling(space, "sandwhich")
    with pytest.raises(UsageError, match="at least 2 networks"):
        Sampling(space, "sandwich", 1)
