from __future__ import annotations

import itertools

import numpy as np
import pytest

from tradewind import search, spaces
from tradewind.core import Evaluation, Measurement, Problem, UsageError, parse_objectives
from tradewind.pareto import hypervolume, nondominated_mask
from tradewind.predictors.additive_features import LayerFeatures
from tradewind.predictors.additive_fit import Gram, fit_additive
from tradewind.search.additive import explored
from tradewind.search.additive_design import least_certain, spread_design
from tradewind.search.supported import least, supported
from tradewind.testing import algorithms

SPACE = spaces.get("hwgpt-s", n_layer=10)


def additive_problem(seed=0):
    return Problem(SPACE, parse_objectives("perplexity,latency_ms@cpu"), seed, lambda c: np.ones(len(c), bool))


def values_of(arch):
    """Two additive quantities that are at odds, position and width included."""
    heads, ratios = np.array(arch.n_head), np.array(arch.mlp_ratio)
    late = np.linspace(0.5, 1.5, arch.n_layer)
    cost = arch.d_model / 192 * (10 + heads.sum() / 8 + ratios.sum())
    return 60 - arch.d_model / 40 - late @ heads / 8 - late[::-1] @ ratios / 2, cost


def run(algorithm, problem, n):
    log = []
    while len(log) < n:
        (arch,) = algorithm.ask()
        pairs = zip(problem.objectives, values_of(arch), strict=True)
        log.append(Evaluation(len(log), arch, {o.name: Measurement.of(v, o.unit) for o, v in pairs}))
        algorithm.tell(log[-1:])
    return log


def test_finds_the_frontier_of_sums_that_local_search_does_not():
    problem = additive_problem()
    found = {}
    for name in ("additive", "local-search"):
        log = run(search.create(name, problem), problem, 60)
        found[name] = hypervolume([values_of(e.candidate) for e in log], [62.0, 400.0])
    assert found["additive"] > 1.01 * found["local-search"]


def test_the_least_weighted_sums_are_on_the_frontier_of_all_networks():
    rng = np.random.default_rng(1)
    gains = rng.normal(size=(2, 4, 3))
    every = np.array(list(itertools.product(range(3), repeat=4)))
    totals = gains[:, np.arange(4), every].sum(axis=2).T
    best = {tuple(row) for row in every[nondominated_mask(totals)]}
    # without the weights' variation all would be; with it, some lie just behind
    found = [tuple(row) for row in least(gains, rng)]
    assert len(set(found)) == len(found)
    assert len(best & set(found)) >= 0.6 * len(best)
    assert sum(f in best for f in found) >= 0.5 * len(found)


def test_three_functions_and_one_are_searched_too():
    rng = np.random.default_rng(2)
    one = rng.normal(size=(1, 5, 4))
    assert least(one, rng).tolist()[0] == one[0].argmin(axis=1).tolist()
    assert least(rng.normal(size=(3, 5, 4)), rng).shape[1] == 5


def test_supported_members_have_the_values_that_they_are_said_to_have():
    features = LayerFeatures.of_space(SPACE)
    archs = list(SPACE.sample_many(40, 0))
    gram = Gram(features, features.write([SPACE.tables.place(a) for a in archs]))
    values = np.array([values_of(a) for a in archs])
    functions = [fit_additive(gram, column).mean() for column in values.T]
    cells = supported(functions, np.ones(2), np.random.default_rng(0))
    assert len(cells) == 6  # three widths, with and without bias
    for cell in cells:
        at = features.write([(cell.row, codes) for codes in cell.codes])
        for m, function in enumerate(functions):
            assert cell.eta[:, m] == pytest.approx(function.linear(at), rel=1e-9)


def test_the_design_covers_every_combination_of_outer_genes():
    problem = additive_problem(3)
    design = spread_design(problem, LayerFeatures.of_space(SPACE), 20)
    assert len({a.id for a in design}) == 20
    assert {(a.d_model, a.bias) for a in design} == set(itertools.product((192, 384, 768), (False, True)))
    assert spread_design(problem, LayerFeatures.of_space(SPACE), 20) == design


def test_the_least_certain_is_not_a_copy_of_what_is_known():
    covariance = np.array([[3.0, 3.0, 0.1], [3.0, 3.0, 0.1], [0.1, 0.1, 1.0]])
    assert least_certain(covariance, 2) == [0, 2]
    assert sorted(least_certain(covariance, 9)) == [0, 1, 2]


def test_a_round_goes_where_what_fails_does_not():
    """Networks of the largest width never have values: after a while they are hardly tried."""
    problem = additive_problem(4)
    algorithm = search.create("additive", problem, initial=18, round=6)
    log = []
    for index in range(48):
        (arch,) = algorithm.ask()
        ok = arch.d_model < 768
        pairs = zip(problem.objectives, values_of(arch), strict=True)
        measured = {
            o.name: Measurement.of(v, o.unit) if ok else Measurement.failed("crash: too wide", o.unit) for o, v in pairs
        }
        log.append(Evaluation(index, arch, measured))
        algorithm.tell(log[-1:])
    assert sum(e.candidate.d_model == 768 for e in log[24:]) <= 4


def test_another_space_is_refused():
    problem = algorithms.problem_of(SPACE)
    other = Problem(object(), problem.objectives, 0, problem.feasible)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not made of layers"):
        search.create("additive", other)


def test_drawn_functions_choose_fewer_candidates_in_later_rounds():
    shares = [explored(12, 2, number) for number in range(40)]
    assert shares[0] == 8  # two functions beside the mean, four candidates each
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] <= 1
    assert explored(12, 0, 0) == 0
