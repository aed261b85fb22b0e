from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
from tests.predictors.layers import GRID, random_codes

from tradewind import spaces
from tradewind.core import HWGPT, ArchitectureBatch, FileFormatError, UsageError, parse_objectives
from tradewind.core.layerwise import Layerwise
from tradewind.pareto.exact import exact_frontier
from tradewind.predictors.layer_model import LayerModel

SPACE = spaces.get("hwgpt-s").narrow(n_layer="10..11", d_model=[192, 384], n_head="4,8", mlp_ratio=[2])


def random_model(seed: int, link: str = "identity", positions: bool = True, grid=GRID) -> LayerModel:
    rng = np.random.default_rng(seed)
    n_feature = len(grid.depths) + 2 + 2 * len(grid.contrasts)
    coefficients = rng.normal(size=(len(grid.groups), n_feature)) * 0.1
    coefficients[:, 0] = 3.0
    table = None
    if positions:
        table = rng.normal(size=(len(grid.groups), len(grid.depths), max(grid.depths), len(grid.contrasts))) * 0.02
        for d, depth in enumerate(grid.depths):
            table[:, d, depth:] = 0
    model = LayerModel.of_coefficients(grid, link, coefficients, table)
    return dataclasses.replace(model, bend=np.array([0.05, -0.05]), centre=np.array([3.0, 3.0]))


def test_without_positions_it_is_the_regression() -> None:
    codes = random_codes(200, seed=0)
    coefficients = np.random.default_rng(1).normal(size=(2, codes.features.shape[1]))
    model = LayerModel.of_coefficients(GRID, "identity", coefficients)
    expected = np.einsum("nf,nf->n", codes.features, coefficients[codes.group])
    assert np.allclose(model.value(codes), expected)


@pytest.mark.parametrize("link", ["identity", "log"])
def test_the_value_is_the_sum_written_out(link: str) -> None:
    codes, model = random_codes(40, seed=2), random_model(3, link)
    for row, arch in enumerate(codes.archs):
        g, d, b = int(codes.group[row]), int(codes.depth[row]), int(arch.bias)
        eta = model.constant[g, d, b]
        for layer in range(arch.n_layer):
            for c, (name, choice) in enumerate(GRID.contrasts):
                if getattr(arch, name)[layer] == choice:
                    eta += model.slopes[g, b, c] + model.positions[g, d, layer, c]
        curved = eta + model.bend[g] * (eta - model.centre[g]) ** 2
        assert np.isclose(model.value(codes)[row], np.exp(curved) if link == "log" else curved)


def test_bounds_are_those_of_every_member() -> None:
    model = random_model(4, "log")
    heads, ratios = (choices for _, choices in GRID.layered)
    every = [
        HWGPT(d_model=d, bias=b, n_head=h, mlp_ratio=m)
        for d, b, depth in itertools.product(GRID.groups, (False, True), (2, 3))
        for h in itertools.product(heads, repeat=depth)
        for m in itertools.product(ratios, repeat=depth)
    ]
    small = dataclasses.replace(GRID, depths=(2, 3))
    assert model.positions is not None
    cut = dataclasses.replace(model, grid=small, constant=model.constant[:, :2], positions=model.positions[:, :2, :3])
    values = cut.value(small.codes(ArchitectureBatch.of(every)))
    assert np.allclose(cut.bounds(), (values.min(), values.max()))


@pytest.mark.parametrize("positions", [False, True])
def test_exact_search_finds_the_frontier_of_brute_force(positions: bool) -> None:
    from tradewind.predictors.layer_grid import LayerGrid

    grid = LayerGrid.of_space(SPACE)
    first, second = (random_model(seed, "log", positions, grid) for seed in (5, 6))
    objectives = parse_objectives("perplexity,latency_ms@a100")
    parts = {o.name: m.layerwise(o.name) for o, m in zip(objectives, (first, second), strict=True)}
    assert all(isinstance(part, Layerwise) for part in parts.values())
    front = exact_frontier(SPACE, objectives, parts)
    every = ArchitectureBatch.of(list(SPACE.enumerate()))
    values = np.column_stack([m.value(grid.codes(every)) for m in (first, second)])
    order = np.lexsort((values[:, 1], values[:, 0]))
    running = np.minimum.accumulate(values[order, 1])
    best = values[order][np.r_[True, values[order][1:, 1] < running[:-1]]]
    assert np.allclose(front.values, best)


def test_one_depth_needs_one_term() -> None:
    model = random_model(7)
    options = ArchitectureBatch.of([HWGPT(d_model=64, n_head=(h,), mlp_ratio=(m,)) for h in (1, 2, 4) for m in (2, 3)])
    whole, part = model.layerwise("cost"), model.layerwise("cost").at_depth(3)
    assert (len(whole.terms(options)), len(part.terms(options))) == (3, 1)
    term = part.terms(options)[0]
    assert np.allclose(whole.terms(options)[1].values, term.values)
    total = {term.key: term.values[:3].sum(axis=0)}
    arch = [HWGPT(d_model=64, n_head=(h,) * 3, mlp_ratio=(m,) * 3) for h in (1, 2, 4) for m in (2, 3)]
    assert np.allclose(part.value(options, 3, total), model.value(GRID.codes(ArchitectureBatch.of(arch))))
    with pytest.raises(UsageError, match="n_layer is 2; the model knows 3"):
        part.value(options, 2, total)


def test_plain_data_keeps_the_values_to_rounding() -> None:
    codes, model = random_codes(100, seed=8), random_model(9, "log")
    back = LayerModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert np.allclose(back.value(codes), model.value(codes), rtol=1e-4)
    assert back.to_dict() == model.to_dict()
    broken = model.to_dict() | {"slopes": [1.0]}
    with pytest.raises(FileFormatError, match="not a layer model"):
        LayerModel.from_dict(broken)
    with pytest.raises(FileFormatError, match="link is 'probit'"):
        LayerModel.from_dict(model.to_dict() | {"link": "probit"})
