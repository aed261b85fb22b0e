"""Rankings against scipy, brute force and the properties they must have."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tradewind.core import UsageError, ranking
from tradewind.core.seeds import generator

stats = pytest.importorskip("scipy.stats")

PAIRS = st.integers(2, 40).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.int64, n, elements=st.integers(0, limit)) for limit in (6, 50)])
)


@given(PAIRS)
def test_correlations_equal_scipys_with_ties(pair: tuple[np.ndarray, np.ndarray]) -> None:
    for ours, theirs in ((ranking.spearman, stats.spearmanr), (ranking.kendall, stats.kendalltau)):
        if min(len(set(side.tolist())) for side in pair) == 1:
            assert math.isnan(ours(*pair))
        else:
            assert ours(*pair) == pytest.approx(theirs(*pair).statistic, abs=1e-12)


def test_kendall_of_many_items_equals_scipys() -> None:
    rng = generator(0, "kendall")
    a = rng.normal(size=30_000)
    b = np.round(a + rng.normal(size=30_000), 2)
    assert ranking.kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)


@given(PAIRS, st.data())
def test_common_ratio_is_the_overlap_of_the_mean_tops_over_every_way_to_break_ties(
    pair: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    a, b = (side[:5] for side in pair)
    k = data.draw(st.integers(1, len(a)))
    parts = np.zeros((2, len(a)))
    orders = list(itertools.permutations(range(len(a))))
    for part, side in zip(parts, (a, b), strict=True):
        for order in orders:
            part[sorted(order, key=lambda i: -side[i])[:k]] += 1 / len(orders)
    assert ranking.common_ratio(a, b, k) == pytest.approx(np.minimum(*parts).sum() / k)


@given(hnp.arrays(np.int64, 30, elements=st.integers(0, 9)), st.integers(1, 30))
def test_a_score_that_orders_as_the_truth_does_shares_its_whole_top(truth: np.ndarray, k: int) -> None:
    assert ranking.common_ratio(truth, truth**3 - 5, k) == pytest.approx(1.0)


def test_common_ratio_without_ties_is_the_share_of_the_set() -> None:
    rng = generator(0, "no ties")
    a, b = rng.permutation(100), rng.permutation(100)
    both = set(np.argsort(-a)[:20].tolist()) & set(np.argsort(-b)[:20].tolist())
    assert ranking.common_ratio(a, b, 20) == len(both) / 20


@given(PAIRS, st.data())
def test_the_order_of_the_items_does_not_matter(pair: tuple[np.ndarray, np.ndarray], data: st.DataObject) -> None:
    a, b = pair
    order = np.array(data.draw(st.permutations(range(len(a)))))
    k = data.draw(st.integers(2, len(a)))
    for function in (ranking.common_ratio, ranking.top_k_spearman):
        assert function(a, b, k) == pytest.approx(function(a[order], b[order], k), abs=1e-12, nan_ok=True)


def test_top_k_spearman_looks_at_the_true_best_only() -> None:
    truth = [5, 4, 3, 2, 1]
    assert ranking.top_k_spearman(truth, [1, 2, 3, 9, 8], 3) == -1.0
    assert ranking.top_k_spearman(truth, [3, 2, 1, 9, 8], 3) == 1.0


def test_infinite_scores_are_ranked() -> None:
    assert ranking.spearman([1, 2, 3], [-math.inf, 0, math.inf]) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ranking.spearman([1, 2], [1, 2, 3]), "one length"),
        (lambda: ranking.kendall([1], [1]), "at least two"),
        (lambda: ranking.kendall([1, math.nan], [1, 2]), "1 of the 2 values of truth are NaN"),
        (lambda: ranking.common_ratio([1, 2], [1, 2], 3), "between 1 and 2"),
        (lambda: ranking.top_k_spearman([1, 2], [1, 2], 1), "between 2 and 2"),
        (lambda: ranking.fraction_to_k(1.5, 10), "at most at 1"),
    ],
)
def test_wrong_input_is_refused_in_words(call, message) -> None:
    with pytest.raises(UsageError, match=message):
        call()


def test_fractions_of_the_published_tables() -> None:
    assert [ranking.fraction_to_k(f, 153) for f in (0.1, 0.2, 0.5)] == [15, 31, 76]
    assert ranking.fraction_to_k(0.01, 10) == 1


def test_bootstrap_interval_of_a_mean_is_the_normal_one() -> None:
    values = generator(0, "values").normal(size=400)
    low, high = ranking.bootstrap_interval(lambda rows: float(values[rows].mean()), 400, seed=1)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert (low, high) == ranking.bootstrap_interval(lambda rows: float(values[rows].mean()), 400, seed=1)
    assert ranking.bootstrap_interval(lambda _: math.nan, 4, seed=0, resamples=3) == pytest.approx(
        (math.nan, math.nan), nan_ok=True
    )
