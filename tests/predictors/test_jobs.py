from __future__ import annotations

import numpy as np
import pytest

from tradewind.predictors import jobs
from tradewind.predictors.jobs import NONE, Windows, best_windows, levels, local_level, typical_level


def campaign(n: int = 1200, noise: float = 0.01, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Order, widths, and log levels with jumps common to all widths and a slow wave of one width."""
    rng = np.random.default_rng(seed)
    order, group = np.arange(n), rng.integers(0, 3, n)
    level = np.where(order % 400 < 250, 0.0, 0.2) + np.where(group == 2, 0.05 * np.sin(order / 200), 0.0)
    return order, group, level, level + noise * rng.normal(size=n)


def test_levels_follow_jumps_and_widths() -> None:
    order, group, level, residual = campaign()
    found = levels(order, residual, group, np.ones(len(order), bool), Windows(21, 61))
    error = found[order, group] - level
    assert np.median(np.abs(error)) < 0.005
    assert np.quantile(np.abs(error), 0.95) < 0.1


def test_a_row_never_sees_itself() -> None:
    order, group, _, residual = campaign(300)
    known = np.ones(300, bool)
    changed = residual.copy()
    changed[100] += 5.0
    for windows in jobs.CHOICES[1:2]:
        before, after = (levels(order, r, group, known, windows) for r in (residual, changed))
        assert before[100, group[100]] == after[100, group[100]]
    assert local_level(order, changed, known, 9)[100] == local_level(order, residual, known, 9)[100]


def test_unknown_rows_tell_nothing() -> None:
    order, group, _, residual = campaign(300)
    known = np.arange(300) % 5 > 0
    spoiled = np.where(known, residual, 99.0)
    for windows in jobs.CHOICES:
        assert np.array_equal(
            levels(order, residual, group, known, windows), levels(order, spoiled, group, known, windows)
        )


def test_outliers_do_not_move_a_level() -> None:
    order = np.arange(200)
    values = np.zeros(200)
    values[::10] = 30.0
    assert np.all(local_level(order, values, np.ones(200, bool), 21) == 0)


def test_few_known_rows() -> None:
    order, values = np.arange(10), np.ones(10)
    assert np.all(local_level(order, values, order < 1, 9) == 0)
    assert np.all(local_level(order, values, order < 3, 9) == 1)


def test_windows_are_chosen_by_the_data() -> None:
    rng = np.random.default_rng(1)
    fitted = rng.uniform(5, 15, 1200)
    order, group, _, residual = campaign()
    assert best_windows(order, fitted * np.exp(residual), fitted, group) != NONE
    calm = fitted * np.exp(0.02 * rng.normal(size=1200))
    assert best_windows(order, calm, fitted, group) == NONE


def test_the_typical_level_is_that_of_most_jobs() -> None:
    fast, slow = np.array([-0.2, -0.1, -0.3]), np.array([0.01, 0.02, 0.0])
    rows = np.vstack([np.tile(fast, (100, 1)), np.tile(slow, (400, 1))])
    assert np.allclose(typical_level(rows), slow, atol=1e-6)


def test_the_typical_level_minimises_the_sum_of_distances() -> None:
    rows = np.random.default_rng(2).normal(size=(80, 3))
    centre = typical_level(rows)

    def total(point: np.ndarray) -> float:
        return float(np.linalg.norm(rows - point, axis=1).sum())

    for step in np.eye(3) * 0.01:
        assert total(centre) < min(total(centre + step), total(centre - step))


@pytest.mark.parametrize("windows", jobs.CHOICES)
def test_levels_have_a_row_and_a_group_each(windows: Windows) -> None:
    order, group, _, residual = campaign(90)
    assert levels(order, residual, group, np.ones(90, bool), windows).shape == (90, 3)
