"""How well a proxy ranks measured architectures: the metrics of LiteTransformerSearch with bootstrap intervals.

Spearman and Kendall over all rows; at the best 10, 20 and 50%, the common ratio (share of the true best k that the
proxy's best k holds) and Spearman among the true best k (Javaheripi et al. 2022, arXiv 2203.02094), with
k = round(fraction · rows), at least 2. Intervals are percentile bootstraps over architectures; a comparison resamples
both proxies together (paired).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tradewind.core import ranking

FRACTIONS = (0.1, 0.2, 0.5)
"""The tops that are looked at."""

Metric = Callable[[np.ndarray, np.ndarray], float]
Statistic = Callable[..., float]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A statistic with its 95% bootstrap interval; NaN where the scores leave it undefined (all equal)."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Plain data, None for NaN."""
        return {k: None if math.isnan(v) else v for k, v in dataclasses.asdict(self).items()}

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def judge(truth: ArrayLike, score: ArrayLike, *, seed: int = 0, resamples: int = 1000) -> dict[str, Estimate]:
    """Every metric of one proxy.

    `truth` and `score` have shape (N,), more is better in both (pass minus the perplexity). The same seed gives the
    same intervals. Raises `UsageError` for NaN, unequal lengths or fewer than two items.

    >>> print(judge(range(50), range(50))["common_ratio@10%"])
    1.0000 [1.0000, 1.0000]
    """
    return {
        name: _estimate(metric, (truth, score), seed, resamples) for name, metric in metrics(np.size(truth)).items()
    }


def compare(
    truth: ArrayLike, score: ArrayLike, baseline: ArrayLike, *, seed: int = 0, resamples: int = 1000
) -> dict[str, Estimate]:
    """Every metric of `score` minus that of `baseline`, resampled together; shapes and errors as in `judge`.

    An interval that does not hold 0 says that one of the two ranks these architectures better.
    """

    def gain(metric: Metric) -> Statistic:
        return lambda a, b, c: metric(a, b) - metric(a, c)

    return {
        name: _estimate(gain(metric), (truth, score, baseline), seed, resamples)
        for name, metric in metrics(np.size(truth)).items()
    }


def metrics(n: int) -> dict[str, Metric]:
    """The metrics for `n` items by name: spearman, kendall, common_ratio@10%, top_spearman@10%, and so on.

    >>> list(metrics(100))[:4]
    ['spearman', 'kendall', 'common_ratio@10%', 'top_spearman@10%']
    """
    found: dict[str, Metric] = {"spearman": ranking.spearman, "kendall": ranking.kendall}
    for fraction in FRACTIONS:
        k = max(2, ranking.fraction_to_k(fraction, n))
        found[f"common_ratio@{fraction:.0%}"] = lambda a, b, k=k: ranking.common_ratio(a, b, k)  # type: ignore[misc]
        found[f"top_spearman@{fraction:.0%}"] = lambda a, b, k=k: ranking.top_k_spearman(a, b, k)  # type: ignore[misc]
    return found


def _estimate(statistic: Statistic, columns: Sequence[ArrayLike], seed: int, resamples: int) -> Estimate:
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    value = statistic(*arrays)
    low, high = ranking.bootstrap_interval(
        lambda rows: statistic(*(array[rows] for array in arrays)), len(arrays[0]), seed=seed, resamples=resamples
    )
    return Estimate(value, low, high)
