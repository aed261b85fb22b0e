from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.predictors.least_squares import Prior, fit


def world(seed: int, n: int) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    rng = np.random.default_rng(seed)
    columns = {"fixed": np.ones(n)} | {f"work {i}": 10 ** rng.uniform(2, 5, n) for i in range(3)}
    return columns, {"fixed": 5.0, "work 0": 1e-3, "work 1": 4e-4}


def cost(columns: dict[str, np.ndarray], prices: dict[str, float]) -> np.ndarray:
    return sum((price * columns[name] for name, price in prices.items()), start=np.zeros(len(columns["fixed"])))


@given(st.integers(0, 1000))
def test_noiseless_prices_are_recovered_and_useless_features_get_none(seed: int) -> None:
    columns, prices = world(seed, 14)
    found = fit(columns, cost(columns, prices))
    for name in columns:
        assert found.coefficients.get(name, 0.0) == pytest.approx(prices.get(name, 0.0), rel=1e-4, abs=1e-9)
    assert np.abs(found.left_out).max() < 1e-4


def test_prices_are_never_negative() -> None:
    rng = np.random.default_rng(3)
    columns, _ = world(3, 20)
    found = fit(columns, rng.uniform(1, 2, 20))
    assert all(price > 0 for price in found.coefficients.values())


def test_one_disturbed_measurement_does_not_bend_the_rest() -> None:
    columns, prices = world(5, 20)
    values = cost(columns, prices)
    disturbed = values.copy()
    disturbed[4] *= 3
    others = np.arange(20) != 4
    assert np.abs(fit(columns, disturbed).predict(columns) / values - 1)[others].max() < 0.02


def test_left_out_errors_foretell_errors_on_new_networks() -> None:
    rng = np.random.default_rng(7)
    columns, prices = world(7, 400)
    noisy = cost(columns, prices) * np.exp(0.03 * rng.normal(size=400))
    few = {name: column[:24] for name, column in columns.items()}
    found = fit(few, noisy[:24])
    new = found.predict({name: column[24:] for name, column in columns.items()}) / noisy[24:] - 1
    assert np.median(np.abs(new)) < 1.7 * np.median(np.abs(found.left_out))
    assert np.median(np.abs(found.left_out)) < 1.7 * np.median(np.abs(new))


def test_a_prior_from_a_similar_device_helps_when_measurements_are_few() -> None:
    rng = np.random.default_rng(9)
    columns, prices = world(9, 300)
    truth = 1.8 * cost(columns, prices)
    noisy = truth * np.exp(0.1 * rng.normal(size=300))
    errors = {False: [], True: []}
    for start in range(0, 40, 4):
        part = {name: column[start : start + 4] for name, column in columns.items()}
        for used, prior in ((False, None), (True, Prior(prices))):
            found = fit(part, noisy[start : start + 4], prior)
            errors[used].append(float(np.median(np.abs(found.predict(columns) / truth - 1))))
    assert np.mean(errors[True]) < 0.7 * np.mean(errors[False])


def test_a_feature_of_one_measurement_alone_can_be_left_out() -> None:
    work, rare = np.arange(1.0, 9.0), np.eye(8)[3]
    found = fit({"work": work, "rare": rare}, 2 * work + 5 * rare)
    assert np.isfinite(found.left_out).all()
    assert found.coefficients["work"] == pytest.approx(2.0, rel=1e-3)


def test_proportional_features_are_kept_once() -> None:
    work = np.array([1.0, 2.0, 4.0])
    found = fit({"work": work, "same": 7 * work}, 3 * work)
    assert found.coefficients == {"work": pytest.approx(3.0)}
