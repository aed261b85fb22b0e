from __future__ import annotations

import numpy as np
import pytest
from tests.pareto.test_exact import PARTS, space_of

from tradewind.core import ArchitectureBatch, Constraint, parse_objectives
from tradewind.pareto import exact_frontier, hypervolume, nondominated_mask, oriented, reference_point
from tradewind.pareto.supported import supported_frontier


@pytest.mark.parametrize("name", ["gpt2", "gpt2-blocks", "transformer-xl", "hwgpt-s-wide"])
@pytest.mark.parametrize(
    ("names", "where"),
    [
        ("quality,latency_ms@toy", ()),
        ("decoder_params,latency_ms@toy,activation_mb", ()),
        ("params,latency_ms@toy", ("decoder_params<=2e6",)),
    ],
)
def test_it_is_made_of_true_members_and_near_the_exact_frontier(name: str, names: str, where: tuple[str, ...]) -> None:
    space, objectives = space_of(name), parse_objectives(names)
    constraints = tuple(Constraint.parse(text) for text in where)
    found = supported_frontier(space, objectives, PARTS, constraints)
    best = exact_frontier(space, objectives, PARTS, constraints)
    points, target = oriented(found.values, objectives), oriented(best.values, objectives)
    assert nondominated_mask(points, copies=False).all()
    assert all(space.contains(arch) for arch in found.architectures)
    batch = ArchitectureBatch.of(found.architectures)
    for column, objective in enumerate(objectives):
        part = PARTS[objective.name]
        if hasattr(part, "function"):
            assert np.allclose(part.function(batch), found.values[:, column])
    corner = reference_point(target)
    assert hypervolume(points, corner) > 0.5 * hypervolume(target, corner)  # of two or three layers few are supported
    if constraints:
        assert (PARTS["decoder_params"].function(batch) <= 2e6).all()


def test_the_same_seed_gives_the_same_networks() -> None:
    space, objectives = space_of("gpt2"), parse_objectives("quality,latency_ms@toy")
    first, again = (supported_frontier(space, objectives, PARTS, weights=5, seed=3) for _ in range(2))
    assert first.architectures == again.architectures
