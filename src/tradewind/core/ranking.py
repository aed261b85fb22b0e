"""How well one score ranks things by another: Spearman, Kendall, and agreement at the top, with bootstrap intervals.

Spearman (1904) and Kendall's tau-b (1945) treat ties as their authors did. The common ratio at k is that of
LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094): the share of the true best k that the score's best k
holds. In every function `truth` and `score` have shape (N,) and more is better: pass minus the perplexity.

Symbols: N items, k items at the top, C and D concordant and discordant pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from tradewind.core.errors import UsageError
from tradewind.core.seeds import generator


def spearman(truth: ArrayLike, score: ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's correlation of the average ranks; NaN if either side is constant.

    >>> spearman([1, 2, 3, 4], [10, 20, 20, 50])
    0.9486832980505138
    """
    a, b = (_average_ranks(values) for values in _pair(truth, score))
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norm if norm else math.nan


def kendall(truth: ArrayLike, score: ArrayLike) -> float:
    """Kendall's tau-b, (C - D) / sqrt(pairs untied in truth · pairs untied in score), in O(N log² N) time.

    NaN if either side is constant.

    >>> kendall([1, 2, 3, 4], [1, 3, 2, 4])
    0.6666666666666666
    """
    a, b = (_dense_ranks(values) for values in _pair(truth, score))
    order = np.lexsort((b, a))
    discordant = _inversions(b[order])
    pairs = len(a) * (len(a) - 1) // 2
    tied_a, tied_b = _tied_pairs(a), _tied_pairs(b)
    tied_both = _tied_pairs(_dense_ranks(a * (int(b.max()) + 1) + b))
    balance = pairs - tied_a - tied_b + tied_both - 2 * discordant
    norm = math.sqrt((pairs - tied_a) * (pairs - tied_b))
    return min(1.0, max(-1.0, balance / norm)) if norm else math.nan


def common_ratio(truth: ArrayLike, score: ArrayLike, k: int) -> float:
    """Share of the best `k` by truth that are also among the best `k` by score, between 0 and 1.

    Items tied at the cut belong to the best `k` in equal parts, and of an item's two parts the smaller is common: so
    the answer never depends on the order of the items, and a score that orders as the truth does has 1. Raises
    `UsageError` unless 1 <= k <= N.

    >>> common_ratio([9, 8, 1, 2], [5, 1, 2, 3], k=2)
    0.5
    """
    a, b = _pair(truth, score)
    _check_k(k, len(a))
    return float(np.minimum(_part_of_top(a, k), _part_of_top(b, k)).sum()) / k


def top_k_spearman(truth: ArrayLike, score: ArrayLike, k: int) -> float:
    """Spearman's correlation among the best `k` by truth (and whatever ties with the last of them).

    >>> top_k_spearman([9, 8, 7, 1], [3, 2, 1, 9], k=3)
    1.0
    """
    a, b = _pair(truth, score)
    _check_k(k, len(a), least=2)
    best = a >= np.partition(a, len(a) - k)[len(a) - k]
    return spearman(a[best], b[best])


def fraction_to_k(fraction: float, n: int) -> int:
    """The k that stands for a fraction of `n` items, round(fraction · n), at least 1.

    >>> fraction_to_k(0.1, 153)
    15
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"a fraction of the items lies above 0 and at most at 1; got {fraction}")
    return max(1, round(fraction * n))


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float], n: int, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval (Efron 1979) of a statistic of `n` items.

    `statistic` gets the indices of one resample, shape (n,), drawn with replacement; a paired difference of two scores
    is a statistic like any other. Resamples where it is NaN are left out. The same seed gives the same interval.

    >>> heights = np.arange(100.0)
    >>> low, high = bootstrap_interval(lambda rows: float(heights[rows].mean()), 100, seed=0)
    >>> low < 49.5 < high
    True
    """
    rng = generator(seed, "bootstrap")
    values = np.array([statistic(rng.integers(n, size=n)) for _ in range(resamples)])
    values = values[~np.isnan(values)]
    if not values.size:
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _pair(truth: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(truth, dtype=np.float64), np.asarray(score, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise UsageError(f"a ranking compares two lists of one length; got the shapes {a.shape} and {b.shape}")
    if len(a) < 2:
        raise UsageError(f"a ranking needs at least two items; got {len(a)}")
    for name, values in (("truth", a), ("score", b)):
        if np.isnan(values).any():
            raise UsageError(
                f"{int(np.isnan(values).sum())} of the {len(a)} values of {name} are NaN; drop those items"
            )
    return a, b


def _check_k(k: int, n: int, least: int = 1) -> None:
    if not least <= k <= n:
        raise UsageError(f"k is {k}; with {n} items it must lie between {least} and {n}")


def _dense_ranks(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


def _average_ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _tied_pairs(ranks: np.ndarray) -> int:
    counts = np.bincount(ranks)
    return int((counts * (counts - 1) // 2).sum())


def _inversions(ranks: np.ndarray) -> int:
    """Pairs i < j with ranks[i] > ranks[j], ranks being small integers >= 0.

    One pass a bit, from the highest: items that agree in all higher bits stand together in their original order, and
    each 0 is preceded in its group by so many 1s. Every inverted pair is found at the one bit where it first differs.
    """
    total = 0
    for shift in reversed(range(int(ranks.max()).bit_length())):
        bit = (ranks >> shift) & 1
        group = ranks >> (shift + 1)
        ones_before = np.cumsum(bit) - bit
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        at_start = np.repeat(ones_before[starts], np.diff(starts, append=len(ranks)))
        total += int(((ones_before - at_start) * (1 - bit)).sum())
        ranks = ranks[np.argsort(ranks >> shift, kind="stable")]
    return total


def _part_of_top(values: np.ndarray, k: int) -> np.ndarray:
    """How much of each item is among the best k: 1, 0, or an equal part for those tied at the cut; sums to k."""
    cut = np.partition(values, len(values) - k)[len(values) - k]
    above, level = values > cut, values == cut
    return above + level * ((k - above.sum()) / level.sum())
