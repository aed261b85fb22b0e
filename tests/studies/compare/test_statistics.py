from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tradewind.core import UsageError
from tradewind.studies.compare.statistics import a12, band, holm, rank

SCORES = np.random.default_rng(3).normal(size=(12, 4)) + np.array([0.0, 0.4, 2.0, 2.2])
NAMES = ["a", "b", "c", "d"]


def test_friedman_and_ranks_are_scipys() -> None:
    found = rank(NAMES, SCORES, ["x"] * 12)
    assert found.p == pytest.approx(stats.friedmanchisquare(*SCORES.T).pvalue)
    expected = dict(zip(NAMES, (5 - stats.rankdata(SCORES, axis=1)).mean(axis=0), strict=True))
    assert dict(zip(found.names, found.ranks, strict=True)) == pytest.approx(expected)
    assert list(found.ranks) == sorted(found.ranks)


def test_critical_difference_is_that_of_demsars_example() -> None:
    # Demsar 2006, section 3.2.2: four classifiers, 14 data sets, critical difference 1.25.
    assert rank(NAMES, np.tile(SCORES, (2, 1))[:14], ["x"] * 14).critical_difference == pytest.approx(1.25, abs=0.005)


def test_groups_are_the_largest_runs_within_the_critical_difference() -> None:
    # Ranks 1, 2, 3, 4 in every block; with 6 blocks the critical difference is 1.91.
    scores = np.tile([4.0, 3.0, 2.0, 1.0], (6, 1))
    assert rank(NAMES, scores, ["x"] * 6).groups == (("a", "b"), ("b", "c"), ("c", "d"))
    assert rank(NAMES, np.tile(scores, (10, 1)), ["x"] * 60).groups == ()
    assert rank(NAMES, np.ones((6, 4)), ["x"] * 6).groups == (("a", "b", "c", "d"),)


def test_pairs_are_wilcoxons_with_holms_correction() -> None:
    found = rank(NAMES, SCORES, ["x"] * 12)
    column = {name: SCORES[:, i] for i, name in enumerate(NAMES)}
    for pair in found.pairs:
        gap = column[pair.first] - column[pair.second]
        assert pair.p == pytest.approx(stats.wilcoxon(gap).pvalue)
        assert pair.wins == (gap > 0).mean()
        assert pair.difference == np.median(gap)
    assert [pair.p_holm for pair in found.pairs] == holm([pair.p for pair in found.pairs])


def test_ties_favour_nobody() -> None:
    found = rank(["a", "b", "c"], np.ones((5, 3)), ["x"] * 5)
    assert found.ranks == (2.0, 2.0, 2.0)
    assert found.p == 1.0
    assert all((p.wins, p.a12, p.p_holm) == (0.5, 0.5, 1.0) for p in found.pairs)


def test_two_algorithms_have_no_friedman_but_a_pair() -> None:
    found = rank(["a", "b"], SCORES[:, [0, 3]], ["x"] * 12)
    assert found.p is None
    assert len(found.pairs) == 1


def test_effect_sizes_compare_runs_within_a_case_only() -> None:
    easy, hard = np.array([[0.9, 0.8], [0.91, 0.81]]), np.array([[0.2, 0.1], [0.21, 0.11]])
    assert rank(["a", "b"], np.vstack([easy, hard]), ["e", "e", "h", "h"]).pairs[0].a12 == 1.0
    assert rank(["a", "b"], np.vstack([easy, hard]), ["x"] * 4).pairs[0].a12 == 0.75


@pytest.mark.parametrize("shape", [(3, 1), (3, 2)])
def test_wrong_shapes_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="at least two algorithms"):
        rank(["a"] * 1 if shape[1] == 1 else ["a", "b", "c"], np.ones(shape), ["x"] * 3)


values = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8).map(np.array)


@given(values, values)
def test_a12_is_the_share_of_won_duels(first: np.ndarray, second: np.ndarray) -> None:
    duels = [1.0 if x > y else 0.5 if x == y else 0.0 for x in first for y in second]
    assert a12(first, second) == pytest.approx(np.mean(duels))
    u = stats.mannwhitneyu(first, second).statistic
    assert a12(first, second) == pytest.approx(u / (len(first) * len(second)))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_stepping_down_rejects(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for place, index in enumerate(order):
            if p_values[index] * (len(p_values) - place) > level:
                break
            rejected.add(int(index))
        assert {i for i, p in enumerate(adjusted) if p <= level} == rejected


def test_bands_hold_the_mean_and_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for trial in range(200):
        mean, low, high = band(rng.normal(size=(20, 3)), seed=trial, resamples=300)
        assert (low <= mean).all()
        assert (mean <= high).all()
        covered.append((low <= 0) & (high >= 0))
    # The percentile bootstrap of 20 runs is a little narrow: 92 to 93% of nominal 95%.
    assert 0.88 < np.mean(covered) < 0.97


def test_the_band_of_equal_runs_is_a_line() -> None:
    curves = np.tile([0.1, 0.5, 0.9], (4, 1))
    for found in band(curves):
        assert found == pytest.approx([0.1, 0.5, 0.9])
