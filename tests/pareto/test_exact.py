from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tradewind import costs, spaces
from tradewind.core import ArchitectureBatch, Constraint, Objective, UsageError, Workload, parse_objectives
from tradewind.core.layerwise import LayerTerm, Layerwise
from tradewind.costs.layerwise import OfTotals, closed_form
from tradewind.pareto import exact as exact_module
from tradewind.pareto import exact_frontier
from tradewind.pareto.layerwise import Stage
from tradewind.predictors.features import features


def space_of(name: str) -> spaces.ArchitectureSpace:
    if name == "gpt2":
        return spaces.get("gpt2", n_layer=[2, 3], d_model=[128, 256], d_inner=[512, 768, 960], n_head=[2, 4])
    if name == "transformer-xl":
        return spaces.get("transformer-xl", n_layer=[2, 3], d_model=[128, 256], d_inner=[512, 768, 960], n_head=[2, 4])
    if name == "gpt2-blocks":
        blocks = ["gelu", "primer-ez", "transformer++", "post-norm"]
        return spaces.get("gpt2", n_layer=[2, 3], d_model=[128, 256], d_inner=[512, 960], n_head=[2], block=blocks)
    return spaces.get("hwgpt-s-wide", n_layer=[3], mlp_ratio=[1, 4], n_head=[4, 12])


def device_time(archs: ArchitectureBatch) -> np.ndarray:
    """A made-up device whose prices make heads and width matter."""
    prices = {"fixed": 3.0, "layers": 0.5, "attention matrices": 2e-8, "feed-forward matrices": 1e-8, "softmax": 3e-6}
    prices |= {"rectifiers": 2e-6, "gates": 5e-6, "convolutions": 4e-5}
    parts = features("latency_ms", archs, Workload())
    return np.asarray(sum(price * np.asarray(parts[name], dtype=float) for name, price in prices.items()))


PARTS: dict[str, Layerwise] = {
    **{q: closed_form(q) for q in ("decoder_params", "params", "quality", "activation_mb")},
    "latency_ms@toy": OfTotals(device_time),
}


def value(objective: Objective, archs: ArchitectureBatch) -> np.ndarray:
    if objective.device:
        return device_time(archs)
    return np.asarray(costs.evaluate(objective.quantity, archs), dtype=float)


def brute_force(
    space: spaces.ArchitectureSpace, objectives: tuple[Objective, ...], constraints: tuple[Constraint, ...]
) -> set[tuple[float, ...]]:
    """The frontier's values by evaluating every member and comparing all pairs."""
    archs = ArchitectureBatch.of(list(space.enumerate()))
    mask = np.ones(len(archs), dtype=bool)
    for constraint in constraints:
        mask &= np.array([constraint.holds(v) for v in value(constraint.objective, archs)])
    table = np.column_stack([value(o, archs) for o in objectives])[mask]
    signs = np.array([1 if o.minimise else -1 for o in objectives])
    points = np.unique(np.round(table, 9), axis=0) * signs
    no_worse = (points[None, :, :] <= points[:, None, :] + 1e-12).all(axis=2)
    better = (points[None, :, :] < points[:, None, :] - 1e-12).any(axis=2)
    return {tuple(row) for row in points[~(no_worse & better).any(axis=1)] * signs}


@pytest.mark.parametrize("name", ["gpt2", "gpt2-blocks", "transformer-xl", "hwgpt-s-wide"])
@pytest.mark.parametrize(
    ("names", "where"),
    [
        ("decoder_params,latency_ms@toy", ()),
        ("decoder_params,latency_ms@toy,activation_mb", ()),
        ("params,latency_ms@toy", ("decoder_params>=1e6",)),
        ("decoder_params,activation_mb", ("latency_ms@toy<=30", "decoder_params<=2e6")),
        ("decoder_params", ()),
        ("quality,latency_ms@toy", ("params<=6e7",)),
    ],
)
def test_exact_is_brute_force(name: str, names: str, where: tuple[str, ...]) -> None:
    space = space_of(name)
    objectives = parse_objectives(names)
    constraints = tuple(Constraint.parse(text) for text in where)
    wanted = {o.name for o in objectives} | {c.objective.name for c in constraints}
    parts = {key: part for key, part in PARTS.items() if key in wanted}
    truth = brute_force(space, objectives, constraints)
    front = exact_frontier(space, objectives, parts, constraints)
    assert {tuple(np.round(row, 9)) for row in front.values} == truth
    assert len(front) == len(truth)
    for arch, row in zip(front.architectures, front.values, strict=True):
        assert space.contains(arch)
        for objective, number in zip(objectives, row, strict=True):
            assert value(objective, ArchitectureBatch.of([arch]))[0] == pytest.approx(number)


def test_epsilon_frontier_covers_the_exact_one_with_fewer_points() -> None:
    space = spaces.get("gpt2", n_layer="2..4", d_model="128..384", d_inner="256..2048")
    objectives = parse_objectives("decoder_params,latency_ms@toy")
    parts = {o.name: PARTS[o.name] for o in objectives}
    exact = exact_frontier(space, objectives, parts)
    coarse = exact_frontier(space, objectives, parts, epsilon=0.05)
    assert len(coarse) < len(exact)
    for params, time in exact.values:
        near = (coarse.values[:, 0] * 1.05 >= params) & (coarse.values[:, 1] <= 1.05 * time)
        assert near.any()


def test_sums_that_outnumber_the_quantities_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    real = exact_module.stages

    def spy(terms: list[LayerTerm], *rest: float) -> Iterator[Stage]:
        compared.append(len(terms))
        return real(terms, *rest)

    monkeypatch.setattr(exact_module, "stages", spy)
    objectives = parse_objectives("latency_ms@toy")
    space = space_of("hwgpt-s-wide")
    front = exact_frontier(space, objectives, PARTS)
    assert set(compared) == {1}
    assert {tuple(np.round(row, 9)) for row in front.values} == brute_force(space, objectives, ())


def test_progress_counts_the_outer_choices() -> None:
    seen: list[tuple[int, int]] = []
    objectives = parse_objectives("decoder_params,params")
    exact_frontier(space_of("gpt2"), objectives, PARTS, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]


def test_an_objective_without_parts_teaches() -> None:
    objectives = parse_objectives("decoder_params,latency_ms@cpu")
    with pytest.raises(UsageError, match="latency_ms@cpu cannot be taken apart into layers"):
        exact_frontier(space_of("gpt2"), objectives, PARTS)


def test_too_many_partial_networks_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradewind.pareto.exact.MOST_NETWORKS", 3)
    objectives = parse_objectives("decoder_params,latency_ms@toy")
    with pytest.raises(UsageError, match="allow an epsilon"):
        exact_frontier(space_of("gpt2"), objectives, PARTS)


@pytest.mark.parametrize("name", ["gpt2", "transformer-xl", "hwgpt-s-wide"])
def test_sifting_complete_networks_loses_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradewind.pareto.exact.FEW", 0)
    space, objectives = space_of(name), parse_objectives("quality,latency_ms@toy,params")
    found = exact_frontier(space, objectives, PARTS)
    assert {tuple(row) for row in np.round(found.values, 9).tolist()} == brute_force(space, objectives, ())
