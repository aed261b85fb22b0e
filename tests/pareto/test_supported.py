from __future__ import annotations

import numpy as np
import pytest
from tests.pareto.test_exact import PARTS, space_of

from tradewind import spaces
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
    if "activation_mb" not in names:  # Maxima are weighed as sums, which says less the fewer layers there are.
        corner = reference_point(target)
        assert hypervolume(points, corner) > 0.7 * hypervolume(target, corner)
    if constraints:
        assert (PARTS["decoder_params"].function(batch) <= 2e6).all()


def test_the_same_seed_gives_the_same_networks() -> None:
    space, objectives = space_of("gpt2"), parse_objectives("quality,latency_ms@toy")
    first, again = (supported_frontier(space, objectives, PARTS, weights=5, seed=3) for _ in range(2))
    assert first.architectures == again.architectures
    other = supported_frontier(space, objectives, PARTS, weights=5, seed=4)
    assert other.architectures != first.architectures, "other seeds try other weights"


def test_in_deeper_networks_little_is_lost() -> None:
    space, objectives = (
        spaces.get("gpt2", n_layer=[8, 10], d_model=[128, 256]),
        parse_objectives("params,latency_ms@toy"),
    )
    found, best = (f(space, objectives, PARTS) for f in (supported_frontier, exact_frontier))
    points, target = oriented(found.values, objectives), oriented(best.values, objectives)
    corner = reference_point(target)
    assert hypervolume(points, corner) > 0.98 * hypervolume(target, corner)
