from __future__ import annotations

import numpy as np
from tests.predictors.layers import GRID, random_codes

from tradewind.core import HWGPT, ArchitectureBatch
from tradewind.core.ranking import kendall
from tradewind.predictors import jobs
from tradewind.predictors.cost_fit import fit_cost
from tradewind.predictors.layer_model import LayerModel


def true_model(positions: np.ndarray | None = None) -> LayerModel:
    coefficients = np.array([[10, 1, 2, 0.1, 0.0, 0.5, 1.0, 0.8, 0.02, 0.03, 0.01]]) * np.array([[1.0], [3.0]])
    return LayerModel.of_coefficients(GRID, "identity", coefficients, positions)


def folds(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 5, n)


def test_it_sees_through_jobs_and_outliers() -> None:
    codes, rng = random_codes(1500, seed=1), np.random.default_rng(2)
    truth, order = true_model().value(codes), np.arange(1500)
    job = np.where(order % 500 < 400, 0.0, 0.25)
    values = truth * np.exp(job + 0.003 * rng.normal(size=1500))
    values[rng.random(1500) < 0.03] *= 3.0
    fit = fit_cost(codes, values, order, folds(1500))
    others = random_codes(500, seed=3)
    error = fit.model.value(others) / true_model().value(others) - 1
    assert np.max(np.abs(error)) < 0.01
    assert np.median(np.abs(fit.drift - job)) < 0.002
    assert fit.model.positions is None


def test_noise_free_data_are_reproduced_to_the_corners() -> None:
    codes = random_codes(600, seed=4)
    fit = fit_cost(codes, true_model().value(codes), np.arange(600), folds(600))
    assert fit.windows == jobs.NONE
    corners = ArchitectureBatch.of(
        [
            HWGPT(d_model=d, bias=b, n_head=(h,) * 4, mlp_ratio=(m,) * 4)
            for d in (64, 128)
            for b in (False, True)
            for h in (1, 4)
            for m in (2, 3)
        ]
    )
    assert np.allclose(fit.model.value(GRID.codes(corners)), true_model().value(GRID.codes(corners)))


def test_positions_are_found_where_they_matter_and_only_there() -> None:
    positions = np.zeros((2, 3, 4, 3))
    positions[:, :, 0] = 0.5
    codes, rng = random_codes(1500, seed=5), np.random.default_rng(6)
    for truth, expected in ((true_model(positions), True), (true_model(), False)):
        values = truth.value(codes) * np.exp(0.005 * rng.normal(size=1500))
        fit = fit_cost(codes, values, np.arange(1500), folds(1500), polled=True)
        assert (fit.model.positions is not None) == expected
        others = random_codes(400, seed=7)
        assert kendall(truth.value(others), fit.model.value(others)) > 0.98


def test_unseen_errors_are_those_of_other_architectures() -> None:
    codes, rng = random_codes(800, seed=8), np.random.default_rng(9)
    values = true_model().value(codes) * np.exp(0.02 * rng.normal(size=800))
    fit = fit_cost(codes, values, np.arange(800), folds(800))
    assert 0.018 < np.std(np.log(values / fit.unseen)) < 0.023
    spread = np.sqrt(np.einsum("nf,nfg,ng->n", codes.features, fit.covariance[codes.group], codes.features))
    actual = fit.model.value(codes) - true_model().value(codes)
    assert 0.5 < np.sqrt(np.mean((actual / spread) ** 2)) < 1.7
