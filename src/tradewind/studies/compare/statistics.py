"""Who is better, and how surely: paired tests over blocks, effect sizes, and bands of uncertainty.

Friedman's test with the Nemenyi critical difference as in Demsar 2006 (JMLR 7); Wilcoxon's signed-rank test for pairs
(1945) with Holm's correction (1979); A12 of Vargha and Delaney (2000); percentile bootstrap (Efron 1979).

Symbols: B blocks (a case and a seed), A algorithms; scores have shape (B, A), more is better.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tradewind.core import UsageError
from tradewind.core.seeds import generator

LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Pair:
    """One algorithm against another: `wins` is the share of blocks where the first is better, ties counting half.

    `a12` is the probability that a random run of the first beats a random run of the second (ties half), the mean over
    groups of blocks (cases): runs of different cases are not compared. `difference` is the median of the paired ones.
    """

    first: str
    second: str
    difference: float
    wins: float
    a12: float
    p: float
    p_holm: float


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Mean ranks (1 is best), Friedman's p, and the difference of mean ranks that is significant at level 0.05.

    `groups` are the largest sets of algorithms, in order of rank, that differ by less than that. `p` is None with two
    algorithms, for which Friedman's test does not exist and the pair's own test speaks.
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    blocks: int
    p: float | None
    critical_difference: float
    groups: tuple[tuple[str, ...], ...]
    pairs: tuple[Pair, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)


def rank(names: Sequence[str], scores: np.ndarray, cases: Sequence[Any]) -> Ranking:
    """The ranking of A >= 2 algorithms by their scores (B, A); `cases` (B) says which case each block belongs to.

    >>> scores = np.array([[0.9, 0.5, 0.4], [0.8, 0.7, 0.6], [0.9, 0.6, 0.5], [0.7, 0.3, 0.2]])
    >>> found = rank(["a", "b", "c"], scores, ["x"] * 4)
    >>> found.ranks, round(found.critical_difference, 3)
    ((1.0, 2.0, 3.0), 1.657)
    """
    from scipy import stats

    blocks, count = scores.shape
    if count != len(names) or count < 2 or blocks != len(cases):
        raise UsageError(
            f"a ranking needs at least two algorithms and a case for each block; scores have shape {scores.shape}, "
            f"with {len(names)} names and {len(cases)} cases"
        )
    ranks = stats.rankdata(-scores, axis=1).mean(axis=0)
    p = None
    if count > 2 and blocks > 1:
        same = bool((scores == scores[:, :1]).all())
        p = 1.0 if same else float(stats.friedmanchisquare(*scores.T).pvalue)
    quantile = float(stats.studentized_range.ppf(1 - LEVEL, count, math.inf)) / math.sqrt(2)
    critical = quantile * math.sqrt(count * (count + 1) / (6 * blocks))
    order = np.argsort(ranks, kind="stable").tolist()
    ordered = [float(ranks[i]) for i in order]
    return Ranking(
        names=tuple(names[i] for i in order),
        ranks=tuple(ordered),
        blocks=blocks,
        p=p,
        critical_difference=critical,
        groups=tuple(tuple(names[i] for i in order[a:b]) for a, b in _groups(ordered, critical)),
        pairs=_pairs([names[i] for i in order], scores[:, order], cases),
    )


def a12(first: np.ndarray, second: np.ndarray) -> float:
    """Probability that a value of `first` exceeds one of `second`, ties counting half.

    >>> a12(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    0.875
    """
    ahead = (first[:, None] > second[None, :]).mean() + 0.5 * (first[:, None] == second[None, :]).mean()
    return float(ahead)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, each value at most 1.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = running
    return adjusted


def band(
    curves: np.ndarray, seed: int = 0, resamples: int = 1000, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over runs of curves (R, N), and the ends of its pointwise bootstrap interval, each (N,).

    >>> mean, low, high = band(np.array([[0.0, 1.0], [1.0, 1.0]]))
    >>> mean.tolist(), low.tolist(), high.tolist()
    ([0.5, 1.0], [0.0, 1.0], [1.0, 1.0])
    """
    runs = len(curves)
    drawn = generator(seed, "band").integers(runs, size=(resamples, runs))
    weights = np.stack([np.bincount(rows, minlength=runs) for rows in drawn]) / runs
    low, high = np.quantile(weights @ curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return curves.mean(axis=0), low, high


def _pairs(names: Sequence[str], scores: np.ndarray, cases: Sequence[Any]) -> tuple[Pair, ...]:
    from scipy import stats

    members = [np.flatnonzero([case == each for case in cases]) for each in dict.fromkeys(cases)]
    rows: list[dict[str, Any]] = []
    for a, b in itertools.combinations(range(len(names)), 2):
        gap = scores[:, a] - scores[:, b]
        # Pratt's treatment counts ties between algorithms as evidence for neither.
        p = float(stats.wilcoxon(gap, zero_method="pratt").pvalue) if gap.any() else 1.0
        rows.append(
            {
                "first": names[a],
                "second": names[b],
                "difference": float(np.median(gap)),
                "wins": float((gap > 0).mean() + 0.5 * (gap == 0).mean()),
                "a12": float(np.mean([a12(scores[rows_, a], scores[rows_, b]) for rows_ in members])),
                "p": p,
            }
        )
    adjusted = holm([row["p"] for row in rows])
    return tuple(Pair(**row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


def _groups(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """Ranges [a, b) of sorted ranks that span less than the critical difference, none inside another."""
    found: list[tuple[int, int]] = []
    for start in range(len(ranks)):
        end = max(i + 1 for i in range(start, len(ranks)) if ranks[i] - ranks[start] < critical or i == start)
        if not found or end > found[-1][1]:
            found.append((start, end))
    return [(a, b) for a, b in found if b - a > 1]
