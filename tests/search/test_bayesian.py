from __future__ import annotations

import numpy as np
import pytest

from tradewind import search, spaces
from tradewind.core import UsageError
from tradewind.pareto import hypervolume
from tradewind.search import surrogate
from tradewind.search.ehvi import boxes, expected_improvement
from tradewind.search.encoding import encoding
from tradewind.search.scalarised import LSBO, LSBOSettings, chebyshev
from tradewind.search.surrogate import Posterior
from tradewind.testing import algorithms

botorch = pytest.importorskip("botorch")
SPACE = spaces.get("gpt2", n_layer="2..3", d_model="128,960", d_inner="1600..1728", n_head="2,4")
PROBLEM = algorithms.problem_of(SPACE)


def points(n_objectives, n, seed):
    return np.random.default_rng(seed).random((n, n_objectives))


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_the_expected_improvement_is_that_of_botorch(n_objectives):
    """Against BoTorch's own analytic acquisition function, which maximises."""
    import torch
    from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
    from botorch.posteriors import GPyTorchPosterior
    from botorch.utils.multi_objective.box_decompositions.non_dominated import FastNondominatedPartitioning
    from botorch.utils.testing import MockModel
    from gpytorch.distributions import MultitaskMultivariateNormal

    front, mean = points(n_objectives, 6, 0), points(n_objectives, 5, 1)
    deviation, corner = 0.02 + 0.3 * points(n_objectives, 5, 2), np.full(n_objectives, 1.1)
    found = expected_improvement(mean, deviation, *boxes(front, corner))
    cells = FastNondominatedPartitioning(torch.from_numpy(-corner), torch.from_numpy(-front))
    for i in range(5):
        normal = MultitaskMultivariateNormal(
            torch.from_numpy(-mean[i : i + 1]), torch.diag(torch.from_numpy(deviation[i] ** 2))
        )
        asked = ExpectedHypervolumeImprovement(MockModel(GPyTorchPosterior(normal)), (-corner).tolist(), cells)
        assert found[i] == pytest.approx(float(asked(torch.zeros(1, 1, 2))), rel=1e-6)


@pytest.mark.parametrize("n_objectives", [1, 2, 3, 4])
def test_certain_values_improve_by_the_volume_that_they_add(n_objectives):
    front, new = points(n_objectives, 5, 3), points(n_objectives, 8, 4)
    corner = np.full(n_objectives, 1.1)
    found = expected_improvement(new, np.full(new.shape, 1e-9), *boxes(front, corner))
    before = hypervolume(front, corner)
    assert found == pytest.approx([hypervolume(np.vstack([front, y]), corner) - before for y in new], abs=1e-6)


def test_what_was_believed_is_certain_and_its_like_are_surer():
    root = np.random.default_rng(0).normal(size=(2, 4, 4))
    before = Posterior(points(2, 4, 5), root @ root.transpose(0, 2, 1))
    after = before.given_mean(2)
    assert after.deviation[2] == pytest.approx(0.0, abs=1e-6)
    assert (after.deviation <= before.deviation + 1e-12).all()
    column = before.covariance[0][:, 2]
    expected = before.covariance[0] - np.outer(column, column) / column[2]
    assert after.covariance[0] == pytest.approx(expected)


def test_the_processes_foretell_what_they_were_told():
    inputs = points(3, 30, 6)
    targets = np.column_stack([inputs.sum(axis=1), (inputs[:, 0] - inputs[:, 1]) ** 2])
    targets = (targets - targets.mean(axis=0)) / targets.std(axis=0)
    states = surrogate.learn(inputs[:25], targets[:25])
    found = surrogate.posterior(states, inputs[:25], targets[:25], inputs[25:])
    assert np.abs(found.mean - targets[25:]).max() < 0.3
    assert found.covariance.shape == (2, 5, 5)


def test_layers_in_another_order_are_near_each_other_and_not_the_same():
    space = spaces.get("hwgpt-s", n_layer=12, d_model=384)
    encode = encoding(space)
    arch, other = space.sample(0), space.sample(1)
    turned = arch.replace(n_head=arch.n_head[::-1], mlp_ratio=arch.mlp_ratio[::-1])
    rows = encode([arch, turned, other])
    near, far = np.abs(rows[0] - rows[1]).sum(), np.abs(rows[0] - rows[2]).sum()
    assert 0 < near < far
    plain = [np.abs(space.encode(arch) - space.encode(each)).sum() for each in (turned, other)]
    assert near / far < 0.7 * plain[0] / plain[1]


@pytest.mark.parametrize("name", spaces.names())
def test_every_space_is_encoded_between_0_and_1(name):
    space = spaces.get(name)
    rows = encoding(space)(list(space.sample_many(20, 0)))
    assert np.isfinite(rows).all()
    assert rows.min() >= 0
    assert rows.max() <= 1


def test_equal_weights_ask_for_the_best_sum_and_random_ones_for_many():
    pool = Posterior(np.array([[0.0, 1.0], [0.45, 0.45], [1.0, 0.0]]), np.stack([0.01 * np.eye(3)] * 2))
    front = np.array([[0.5, 0.5]])
    picks = {}
    for vary in (False, True):
        algorithm = LSBO(PROBLEM, LSBOSettings(vary=vary))
        picks[vary] = {int(np.argmax(algorithm.worth(pool, front, np.random.default_rng(s)))) for s in range(20)}
    assert picks[False] == {1}
    assert picks[True] >= {0, 2}


def test_the_chebyshev_function_finds_what_no_weighted_sum_finds():
    """The middle point lies in a dent of the front."""
    dented = np.array([[0.0, 1.0], [0.6, 0.6], [1.0, 0.0]])
    weights = np.linspace(0.01, 0.99, 99)
    assert all(np.argmin(dented @ [w, 1 - w]) != 1 for w in weights)
    assert any(np.argmin(chebyshev(dented, np.array([w, 1 - w]))) == 1 for w in weights)


def test_the_presets_are_the_published_ones():
    for name in ("ehvi", "lsbo", "rsbo"):
        settings = search.create(name, PROBLEM, preset="hwgpt").settings
        assert (settings.initial, settings.round, settings.corners) == (5, 1, False)
    assert not search.create("lsbo", PROBLEM, preset="hwgpt").settings.vary


def test_without_botorch_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(surrogate.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"EHVI needs BoTorch.*tradewind\[bo\]"):
        search.create("ehvi", PROBLEM)
