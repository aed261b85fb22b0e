from __future__ import annotations

import numpy as np
import pytest

from tradewind import spaces
from tradewind.core import UsageError
from tradewind.predictors.additive_features import LayerFeatures
from tradewind.predictors.additive_fit import LINKS, AdditivePrior, Gram, fit_additive, learn_prior

SPACE = spaces.get("hwgpt-s")
FEATURES = LayerFeatures.of_space(SPACE)


def written(archs):
    return FEATURES.write([SPACE.tables.place(arch) for arch in archs])


def truth(archs, noise=0.0, seed=0):
    """A sum over layers whose slope grows with the width and whose last layer counts twice."""
    found = []
    for arch in archs:
        heads, ratios = np.array(arch.n_head, dtype=float), np.array(arch.mlp_ratio, dtype=float)
        weight = np.ones(arch.n_layer)
        weight[-1] = 2.0
        found.append(arch.d_model / 100 * (20 + weight @ (heads + 3 * ratios)))
    return np.array(found) * np.exp(noise * np.random.default_rng(seed).normal(size=len(found)))


@pytest.fixture(scope="module")
def known():
    archs = list(SPACE.sample_many(60, 0))
    return archs, Gram(FEATURES, written(archs))


def test_foretells_networks_far_from_all_that_it_learnt_from(known):
    archs, _ = known

    def uniform(arch, heads, ratio):
        return arch.replace(n_head=(heads,) * arch.n_layer, mlp_ratio=(ratio,) * arch.n_layer)

    learnt = [*archs[:40], *(uniform(a, h, r) for a in archs[40:] for h, r in ((4, 2), (12, 4)))]
    mixed = [uniform(a, h, r) for a in SPACE.sample_many(10, 1) for h, r in ((4, 4), (12, 2), (8, 3))]
    function = fit_additive(Gram(FEATURES, written(learnt)), truth(learnt)).mean()
    missed = np.abs(function.value(function.linear(written(mixed))) / truth(mixed) - 1)
    assert np.median(missed) < 0.05  # they differ by a factor of nine
    assert missed.max() < 0.15


def test_the_mean_is_that_of_a_gaussian_process(known):
    """Against the textbook: covariances between new and known members, by the same blocks over all of them."""
    archs, gram = known
    values = truth(archs, noise=0.05)
    fit = learn_prior(gram, values, "identity").given(gram, values)
    new = list(SPACE.sample_many(7, 5))
    both = Gram(FEATURES, written([*archs, *new])).total(fit.prior.variances, fit.prior.constant)
    inside, across = both[:60, :60] + np.diag(fit.noise), both[60:, :60]
    expected = fit.centre + across @ np.linalg.solve(inside, fit.targets)
    assert fit.mean().linear(written(new)) == pytest.approx(expected, rel=1e-6)


def test_draws_have_the_posterior_mean_and_variance(known):
    archs, gram = known
    values = truth(archs, noise=0.05)
    fit = learn_prior(gram, values, "identity").given(gram, values)
    new = list(SPACE.sample_many(3, 6))
    both = Gram(FEATURES, written([*archs, *new])).total(fit.prior.variances, fit.prior.constant)
    inside, across = both[:60, :60] + np.diag(fit.noise), both[60:, :60]
    variance = np.diag(both[60:, 60:] - across @ np.linalg.solve(inside, across.T))
    rng = np.random.default_rng(0)
    draws = np.array([fit.draw(rng).linear(written(new)) for _ in range(400)])
    assert draws.mean(axis=0) == pytest.approx(fit.mean().linear(written(new)), abs=4 * np.sqrt(variance.max() / 400))
    assert draws.var(axis=0) == pytest.approx(variance, rel=0.35)


def test_parts_add_up_to_the_whole(known):
    archs, gram = known
    function = fit_additive(gram, truth(archs)).mean()
    for arch in archs[:5]:
        row, codes = SPACE.tables.place(arch)
        base, layers = function.parts(row, arch.n_layer)
        total = base + layers[np.arange(arch.n_layer), codes].sum()
        assert total == pytest.approx(function.linear(written([arch]))[0], rel=1e-9)


def test_an_outlier_is_weighed_down(known):
    archs, gram = known
    values = truth(archs, noise=0.01)
    spoilt = values.copy()
    spoilt[7] *= 3
    fit = fit_additive(gram, spoilt)
    assert fit.noise[7] > 20 * np.median(fit.noise)
    function = fit.mean()
    foretold = function.value(function.linear(written(archs)))
    others = np.arange(60) != 7
    assert np.median(np.abs(foretold / truth(archs) - 1)[others]) < 0.02


def test_the_link_is_chosen_by_foretelling(known):
    archs, gram = known
    layers = truth(archs) / truth(archs).mean()
    assert fit_additive(gram, np.exp(3 * layers)).prior.link == "log"
    assert fit_additive(gram, layers - layers.mean()).prior.link == "identity"  # some lie below zero
    assert set(LINKS) >= {"identity", "log"}


def test_values_that_are_all_alike_are_foretold_as_such(known):
    archs, gram = known
    function = fit_additive(gram, np.full(60, 7.0)).mean()
    assert function.value(function.linear(written(archs))) == pytest.approx(np.full(60, 7.0), rel=1e-6)


def test_relative_noise_grows_with_the_value(known):
    _, gram = known
    values = truth(list(SPACE.sample_many(60, 0)))
    prior = AdditivePrior("relative", np.ones(len(gram.blocks)), 1e6, 1.0, float(values.mean()))
    fit = prior.given(gram, values)
    assert fit.noise[values.argmax()] > fit.noise[values.argmin()]


def test_a_space_without_layers_is_refused():
    with pytest.raises(UsageError, match="not made of layers"):
        LayerFeatures.of_space(object())


def test_every_space_can_be_written():
    for name in spaces.names():
        space = spaces.get(name)
        features = LayerFeatures.of_space(space)
        archs = list(space.sample_many(4, 0))
        at = features.write([space.tables.place(arch) for arch in archs])
        assert at.sums.shape == (4, features.contrasts.shape[1])
        assert at.placed.shape[0] == 4
        assert features.outer.min() >= 0
        assert features.outer.max() <= 1
        assert np.abs(features.contrasts.mean(axis=0)).max() < 1e-9
