from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.predictors.layers import random_codes

from tradewind.core.ranking import kendall
from tradewind.predictors.layer_grid import LayerGrid
from tradewind.predictors.layer_model import LayerModel
from tradewind.predictors.quality_fit import fit_quality

GRID = LayerGrid("d_model", (64, 128), "bias", (6, 7, 8), (("n_head", (1, 2, 4)), ("mlp_ratio", (2, 3))))


def true_model(bend: float = 0.0) -> LayerModel:
    """Layers whose worth rises towards the end of the stack, more so in shallow networks."""
    coefficients = np.array([[3.6, -0.02, -0.03, 0, 0, -0.01, -0.015, -0.02, 0, 0, 0]]) * np.array([[1.0], [0.9]])
    positions = np.zeros((2, 3, 8, 3))
    for d, depth in enumerate(GRID.depths):
        positions[:, d, :depth] = -0.02 * np.linspace(-1, 1, depth)[:, None] ** 3 * (1 - 0.2 * d)
    model = LayerModel.of_coefficients(GRID, "log", coefficients, positions)
    return dataclasses.replace(model, bend=np.array([bend, 0.0]), centre=np.array([3.45, 3.1]))


def folds(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 5, n)


@pytest.mark.parametrize(("n", "tau"), [(150, 0.93), (1500, 0.985)])
def test_positions_are_learnt_from_few_rows_and_better_from_many(n: int, tau: float) -> None:
    codes, rng = random_codes(n, 1, GRID), np.random.default_rng(2)
    values = true_model().value(codes) * np.exp(0.0005 * rng.normal(size=n))
    fit = fit_quality(codes, values, folds(n))
    others = random_codes(400, 3, GRID)
    assert kendall(true_model().value(others), fit.model.value(others)) > tau
    counts_only = LayerModel.of_coefficients(
        GRID,
        "log",
        np.array(
            [
                np.linalg.lstsq(codes.features[codes.group == g], np.log(values)[codes.group == g], rcond=None)[0]
                for g in range(2)
            ]
        ),
    )
    assert kendall(true_model().value(others), counts_only.value(others)) < tau - 0.02


def test_a_bend_is_found_and_kept_monotone() -> None:
    codes, rng = random_codes(2000, 4, GRID), np.random.default_rng(5)
    truth = true_model(bend=1.5)
    fit = fit_quality(codes, truth.value(codes) * np.exp(0.0003 * rng.normal(size=2000)), folds(2000))
    assert fit.model.bend[0] > 0.5
    assert fit.model.bend[1] == 0
    low, high = fit.model.reaches()
    grid = np.linspace(low[0], high[0], 200)
    assert np.all(np.diff(fit.model.outcome(grid, 0)) > 0)


def test_pure_noise_leaves_no_positions() -> None:
    codes, rng = random_codes(300, 6, GRID), np.random.default_rng(7)
    values = np.exp(3 + 0.2 * codes.group + 0.01 * rng.normal(size=300))
    fit = fit_quality(codes, values, folds(300))
    assert fit.model.positions is not None
    assert np.std(np.log(values / fit.unseen)) < 0.0125
    assert np.all(fit.model.bend == 0)
