"""The paper's headline: what the frontier saves against the scaled baseline at equal decoder parameters.

LiteTransformerSearch (Javaheripi et al. 2022, arXiv 2203.02094) compares its frontier with homogeneous models of
growing depth at equal quality, for which decoder parameters stand. Between two neighbouring baseline models the
logarithm of a cost is taken as linear in the logarithm of decoder parameters; nothing is extrapolated: architectures
beyond the smallest or largest baseline model are counted, not compared.

A frontier of three objectives also holds architectures that are slow but small in memory. So the *leaders* of a cost
are told apart: those that no other architecture of the frontier beats in decoder parameters and that cost alone.

Uncertainty: a measured value m with inter-quartile range q is taken as [m - q/2, m + q/2] (a predicted one as m plus or
minus its standard deviation), and a ratio as the widest that its two intervals allow. It covers the scatter of the
repetitions, not that the largest of many ratios is partly luck.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from tradewind.core import Evaluation, Measurement, Objective
from tradewind.pareto import Frontier
from tradewind.pareto.wording import noun
from tradewind.reports.data import ReportData

AXIS = Objective("decoder_params")
RULE = (
    "Baseline costs are interpolated between neighbouring baseline models, log cost against log decoder parameters, "
    "without extrapolation. Intervals are the widest that the inter-quartile ranges of both sides allow."
)
TITLES = {
    "latency_ms": "speed-up",
    "decode_latency_ms": "decoding speed-up",
    "peak_memory_mb": "peak-memory saving",
    "energy_wh": "energy saving",
}


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Baseline cost divided by the architecture's own at equal decoder parameters: above 1 is better than baseline."""

    evaluation: Evaluation
    decoder_params: float
    value: float
    low: float
    high: float
    leader: bool


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All ratios of one cost, by decoder parameters; `outside` counts architectures beyond the baseline's `span`."""

    cost: Objective
    ratios: tuple[Ratio, ...]
    outside: int
    span: tuple[float, float]

    @property
    def title(self) -> str:
        """What the ratio is called: speed-up, peak-memory saving..."""
        return TITLES.get(self.cost.quantity, f"{noun(self.cost)} saving")

    @property
    def leaders(self) -> tuple[Ratio, ...]:
        """The ratios of the leaders; of all, where every leader lies outside the baseline's span."""
        return tuple(ratio for ratio in self.ratios if ratio.leader) or self.ratios

    @property
    def better(self) -> int:
        """How many architectures cost less than the baseline."""
        return sum(ratio.value > 1 for ratio in self.ratios)

    @property
    def best(self) -> Ratio:
        """The largest ratio."""
        return max(self.ratios, key=lambda ratio: ratio.value)

    def sentence(self) -> str:
        """The finding in words, also when it is not a gain."""
        best, (value, low, high) = self.best, median(self.leaders)
        outside = f", {self.outside} more lie beyond its sizes" if self.outside else ""
        return (
            f"{self.title[0].upper()}{self.title[1:]} at equal decoder parameters: up to "
            f"{times(best.value, best.low, best.high)}, median {times(value, low, high)} over the "
            f"{len(self.leaders)} best for {noun(self.cost)} at their size; {self.better} of "
            f"{len(self.ratios)} on the whole frontier beat the scaled baseline{outside}."
        )


def times(value: float, low: float, high: float) -> str:
    """A ratio with its interval, where it has one.

    >>> times(1.234, 1.2, 1.3), times(2.0, 2.0, 2.0)
    ('1.23x [1.20, 1.30]', '2.00x')
    """
    return f"{value:.2f}x" + (f" [{low:.2f}, {high:.2f}]" if high > low else "")


def median(ratios: Sequence[Ratio]) -> tuple[float, float, float]:
    """Medians of the ratios, of their lower ends and of their upper ends."""
    value, low, high = np.median([(ratio.value, ratio.low, ratio.high) for ratio in ratios], axis=0).tolist()
    return value, low, high


def sentences(found: Sequence[Comparison]) -> list[str]:
    """One sentence a cost, and one on architectures that beat the baseline in every cost at once."""
    lines = [comparison.sentence() for comparison in found]
    if len(found) > 1:
        winners, compared = better_in_all(found)
        names = " and ".join(noun(comparison.cost) for comparison in found)
        lines.append(f"{winners} of {compared} beat the baseline in {names} at once.")
    return lines


def better_in_all(found: Sequence[Comparison]) -> tuple[int, int]:
    """How many architectures beat the baseline in every cost at once, of how many compared in every cost."""
    verdicts: dict[int, list[bool]] = {}
    for comparison in found:
        for ratio in comparison.ratios:
            verdicts.setdefault(ratio.evaluation.index, []).append(ratio.value > 1)
    complete = [all(wins) for wins in verdicts.values() if len(wins) == len(found)]
    return sum(complete), len(complete)


def comparisons(data: ReportData) -> list[Comparison]:
    """One comparison for every cost among the objectives; none without two baseline models of different size.

    A cost is a minimised objective other than perplexity. Costs for which no architecture can be compared are left out.
    """
    costs = [o for o in data.objectives if o.minimise and o.quantity != "perplexity"]
    found = [compare(data.frontier, data.baseline, cost) for cost in costs]
    return [comparison for comparison in found if comparison is not None]


def compare(frontier: Sequence[Evaluation], baseline: Sequence[Evaluation], cost: Objective) -> Comparison | None:
    """The ratios of one cost, or None where nothing can be compared."""
    known = [e for e in baseline if _positive(e, cost)]
    sizes = np.array([e.measurements[AXIS.name].value for e in known], dtype=np.float64)
    if len(set(sizes.tolist())) < 2:
        return None
    value, low, high = (_interpolation(sizes, known, cost, end) for end in (0, -1, 1))
    ratios, outside = [], 0
    leaders = {e.index for e in Frontier.of(frontier, [AXIS, cost])}
    for evaluation in sorted((e for e in frontier if _positive(e, cost)), key=_size):
        size = _size(evaluation)
        if not sizes.min() <= size <= sizes.max():
            outside += 1
            continue
        own = [bound(evaluation.measurements[cost.name], end) for end in (0, -1, 1)]
        three = (value(size) / own[0], low(size) / own[2], high(size) / own[1])
        ratios.append(Ratio(evaluation, size, *three, leader=evaluation.index in leaders))
    span = (float(sizes.min()), float(sizes.max()))
    return Comparison(cost, tuple(ratios), outside, span) if ratios else None


def bound(measurement: Measurement, end: int) -> float:
    """The value (end 0), or the lower (-1) or upper (1) end of its interval, kept above a thousandth of the value."""
    assert measurement.value is not None
    return max(measurement.value + end * half_width(measurement), measurement.value * 1e-3)


def half_width(measurement: Measurement) -> float:
    """Half the inter-quartile range of a measured value, the standard deviation of a predicted one, 0 without spread.

    >>> half_width(Measurement.of(10.0, "ms", spread=0.4)), half_width(Measurement.of(5, "parameters"))
    (0.2, 0.0)
    """
    spread = measurement.spread or 0.0
    return spread if measurement.predicted else spread / 2


def _interpolation(
    sizes: np.ndarray, known: Sequence[Evaluation], cost: Objective, end: int
) -> Callable[[float], float]:
    """Cost against size, straight in logarithms; the cheapest where two models have one size."""
    costs = np.array([bound(e.measurements[cost.name], end) for e in known])
    order = np.lexsort((costs, sizes))
    x, first = np.unique(sizes[order], return_index=True)
    y = costs[order][first]
    return lambda size: float(np.exp(np.interp(np.log(size), np.log(x), np.log(y))))


def _positive(evaluation: Evaluation, cost: Objective) -> bool:
    values = evaluation.values([AXIS, cost])
    return values is not None and min(values) > 0


def _size(evaluation: Evaluation) -> float:
    value = evaluation.measurements[AXIS.name].value
    assert value is not None
    return float(value)
