from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import FileFormatError, UsageError
from tradewind.predictors.distribution import LEVELS, ErrorTable, Prediction


def prediction(doubt: float = 0.0, n: int = 4) -> Prediction:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 5000)
    medians = rng.normal(size=(10000, 1)) * np.where(group, 0.1, 0.02)[:, None]
    single = rng.standard_t(3, size=(10000, 4)) * 0.05
    noise = {"median": ErrorTable.of_errors(medians, group, 2), "observation": ErrorTable.of_errors(single, group, 2)}
    return Prediction(np.linspace(5, 20, n), np.full(n, doubt), np.full(n, doubt), np.arange(n) % 2, noise)


def test_quantiles_are_those_of_the_errors_a_group_at_a_time() -> None:
    one = prediction()
    low, high = np.log(one.interval(0.9) / one.mean)
    assert np.allclose(high[0::2], 1.645 * 0.02, rtol=0.05)
    assert np.allclose(high[1::2], 1.645 * 0.1, rtol=0.05)
    assert np.allclose(low, -high, rtol=0.1)
    assert np.allclose(one.std() / one.mean, [0.02, 0.1] * 2, rtol=0.05)


def test_intervals_cover_new_errors() -> None:
    one = prediction(n=2)
    rng = np.random.default_rng(1)
    fresh = one.mean * np.exp(rng.standard_t(3, size=(20000, 2)) * 0.05)
    for level in (0.5, 0.9, 0.95):
        low, high = one.interval(level, "observation")
        assert np.mean((fresh >= low) & (fresh <= high)) == pytest.approx(level, abs=0.015)


def test_few_rows_share_the_shape_but_not_the_scale() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat([0, 1, 2], 100)
    errors = rng.normal(size=(300, 1)) * np.array([0.01, 0.1, 1.0])[group][:, None]
    table = ErrorTable.of_errors(errors, group, 3).quantiles
    assert np.allclose(table[1] / table[0], (table[1] / table[0])[0])
    assert 5 < table[1, -1] / table[0, -1] < 20


def test_doubt_widens_as_an_independent_error_would() -> None:
    wide, narrow = prediction(doubt=0.1, n=2), prediction(n=2)
    rng = np.random.default_rng(3)
    values = np.log(narrow.draws(40000, seed=0, noise="median")) + 0.1 * rng.normal(size=(40000, 2))
    assert np.allclose(np.log(wide.quantile(0.95)), np.quantile(values, 0.95, axis=0), atol=0.01)
    assert np.allclose(wide.std("none"), 0.1 * wide.mean)
    assert np.allclose(np.log(wide.quantile(0.975, "none") / wide.mean), 0.196, atol=1e-3)


def test_draws_are_a_pure_function_of_the_seed_and_follow_the_quantiles() -> None:
    one = prediction(doubt=0.01)
    draws = one.draws(20000, seed=7)
    assert np.array_equal(draws, one.draws(20000, seed=7))
    assert not np.array_equal(draws, one.draws(20000, seed=8))
    assert np.allclose(np.quantile(draws, 0.9, axis=0), one.quantile(0.9, "observation"), rtol=0.01)
    own = np.log(one.draws(20000, seed=7, noise="none") / one.mean)
    assert np.allclose(own.std(axis=0), 0.01, rtol=0.05)


@given(st.floats(0.001, 0.998), st.floats(0.0005, 0.001), st.sampled_from(["none", "median", "observation"]))
def test_quantiles_rise(level: float, step: float, noise: str) -> None:
    one = prediction(doubt=0.05)
    assert np.all(one.quantile(level + step, noise) >= one.quantile(level, noise))


def test_wrong_questions_are_refused() -> None:
    one = prediction()
    with pytest.raises(UsageError, match="between 0 and 1"):
        one.quantile(1.0)
    with pytest.raises(UsageError, match="between 0 and 1"):
        one.interval(0.0)
    with pytest.raises(UsageError, match="did you mean 'median'"):
        one.std("medians")  # type: ignore[arg-type]


def test_tables_as_plain_data() -> None:
    one = prediction()
    table = one.noise["median"]
    back = ErrorTable.of_plain(table.to_plain(), 2)
    assert back.quantiles.shape == (2, len(LEVELS))
    assert np.allclose(back.quantiles, table.quantiles, rtol=1e-3)
    with pytest.raises(FileFormatError, match="quantiles"):
        ErrorTable.of_plain([1, 2], 2)
