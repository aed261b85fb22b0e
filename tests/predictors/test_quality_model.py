from __future__ import annotations

import numpy as np
import pytest

from tradewind import spaces
from tradewind.benchmarks import hwgpt
from tradewind.core import ArchitectureBatch, UsageError
from tradewind.core.ranking import kendall
from tradewind.predictors.quality_basis import Basis
from tradewind.predictors.quality_model import LayerwiseQuality, fit_quality_model


@pytest.mark.parametrize("name", ["hwgpt-s", "gpt2", "transformer-xl"])
def test_layers_taken_apart_give_the_prediction(name: str) -> None:
    space = spaces.get(name, n_layer="3..5") if name != "hwgpt-s" else spaces.get(name)
    seen = space.sample_many(30, seed=0)
    model = fit_quality_model(space, seen, np.random.default_rng(0).uniform(20, 40, 30))
    for options in space.layer_options()[::5]:
        for depth in space.depths:
            part = model.layerwise("loss").at_depth(depth)
            (term,) = part.terms(options)
            choices = np.random.default_rng(depth).integers(len(options), size=(4, depth))
            total = sum(term.at(layer)[choices[:, layer]] for layer in range(depth))
            names = [n for n in options[0].per_layer_fields() if options.columns[n].shape[1]]
            whole = [
                options[0].replace(**{n: tuple(options.columns[n][row, 0].tolist()) for n in names}) for row in choices
            ]
            value = part.value(options, depth, {"loss": np.asarray(total)})
            assert np.allclose(value, model.predict(whole), rtol=1e-12)


def test_perplexity_of_unseen_architectures_is_ranked_from_few_noisy_values() -> None:
    bench = hwgpt.load("hwgpt-s")
    new = bench.space.sample_many(300, seed=9)
    truth = bench.query_many(new, ["perplexity"])["perplexity"]
    tau = []
    for n in (16, 64):
        seen = bench.space.sample_many(n, seed=1)
        model = fit_quality_model(bench.space, seen, bench.draws(seen, "perplexity", seed=0))
        tau.append(kendall(truth, model.predict(new)))
    assert tau[0] > 0.82
    assert tau[1] > 0.91


def test_a_wild_value_does_not_bend_the_rest() -> None:
    bench = hwgpt.load("hwgpt-s")
    seen, new = bench.space.sample_many(40, seed=2), bench.space.sample_many(200, seed=3)
    values = bench.query_many(seen, ["perplexity"])["perplexity"].copy()
    truth = bench.query_many(new, ["perplexity"])["perplexity"]
    values[7] *= 3
    model = fit_quality_model(bench.space, seen, values)
    assert np.median(np.abs(model.predict(new) / truth - 1)) < 0.01
    assert np.argmax(model.errors) == 7
    assert np.exp(model.errors[7]) > 2.5


def test_errors_are_those_of_left_out_values() -> None:
    bench = hwgpt.load("hwgpt-s")
    seen = bench.space.sample_many(60, seed=4)
    values = bench.draws(seen, "perplexity", seed=0)
    model = fit_quality_model(bench.space, seen, values)
    again = [
        np.log(values[i] / fit_quality_model(bench.space, seen[rest], values[rest]).predict(seen[i : i + 1])[0])
        for i in range(0, 60, 10)
        for rest in [np.arange(60) != i]
    ]
    # The variances are learnt with and without the value, so the two agree nearly, not exactly.
    assert np.corrcoef(again, model.errors[::10])[0, 1] > 0.9


def test_a_space_without_choices_for_a_layer_is_learnt_from_its_whole_networks() -> None:
    space = spaces.get("hwgpt-s", n_head="8", mlp_ratio="3")
    members = list(space.enumerate())
    values = np.array([100.0 / arch.d_model + arch.n_layer for arch in members])
    model = fit_quality_model(space, members, values)
    assert np.allclose(model.predict(members), values, rtol=0.02)


def test_what_cannot_be_learnt_from_is_refused() -> None:
    space = spaces.get("hwgpt-s")
    with pytest.raises(UsageError, match="at least 4"):
        fit_quality_model(space, space.sample_many(3, 0), [1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="positive"):
        fit_quality_model(space, space.sample_many(4, 0), [1.0, 2.0, 3.0, -1.0])
    part = LayerwiseQuality(fit_quality_model(space, space.sample_many(8, 0), np.arange(1.0, 9.0)), "loss")
    with pytest.raises(UsageError, match="at_depth"):
        part.terms(space.layer_options()[0])
    with pytest.raises(UsageError, match="10 layers"):
        part.at_depth(11).value(space.layer_options()[0], 10, {"loss": np.zeros(1)})


def test_sums_give_layers_past_the_end_no_weight() -> None:
    space = spaces.get("gpt2", n_layer="2..4")
    basis = Basis.of_space(space)
    short = space.narrow(n_layer=2).sample_many(5, seed=0)
    long = space.narrow(n_layer=4).sample_many(5, seed=1)
    mixed = ArchitectureBatch.of([*short, *long])
    assert np.allclose(basis.sums(mixed)[:5], basis.sums(short))
    assert np.allclose(basis.sums(mixed)[5:], basis.sums(long))


def test_names_of_layers_are_told_apart() -> None:
    space = spaces.get("gpt2", n_layer="3", d_model="128", d_inner="512", n_head="2", block="gelu,primer")
    members = list(space.enumerate())
    values = np.array([20.0 + 2.0 * arch.block.count("primer") for arch in members])
    model = fit_quality_model(space, members, values)
    assert np.allclose(model.predict(members), values, rtol=0.01)
