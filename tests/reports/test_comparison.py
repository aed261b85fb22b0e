from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from tests.reports.synthetic import study

from tradewind.core import GPT2, Evaluation, Measurement, Objective
from tradewind.core.seeds import generator
from tradewind.reports.comparison import better_in_all, comparisons, half_width, median, sentences
from tradewind.reports.data import ReportData

LATENCY = Objective("latency_ms", "cpu")


def model(
    index: int, params: float, ms: float, spread: float = 0.0, predicted: bool = False, mb: float = 1.0
) -> Evaluation:
    arch = GPT2(d_model=64, n_head=(2,) * (index % 30 + 1), d_inner=(128,) * (index % 30 + 1))
    return Evaluation(
        index,
        arch,
        {
            "decoder_params": Measurement.of(params, "parameters"),
            "latency_ms@cpu": Measurement.of(ms, "ms", spread=spread, predicted=predicted),
            "peak_memory_mb@cpu": Measurement.of(mb, "MB"),
        },
    )


def report(
    found: list[Evaluation], baseline: list[Evaluation], names: str = "decoder_params,latency_ms@cpu"
) -> ReportData:
    objectives = tuple(Objective.parse(name) for name in names.split(","))
    return ReportData(name="run", objectives=objectives, evaluations=tuple(found), baseline=tuple(baseline))


BASELINE = [model(100, 1e6, 10.0, 0.4), model(101, 4e6, 40.0, 0.8), model(102, 16e6, 80.0)]


def test_costs_are_interpolated_in_logarithms_between_neighbours() -> None:
    found = [model(0, 2e6, 10.0), model(1, 4e6, 20.0), model(2, 8e6, 50.0)]
    (comparison,) = comparisons(report(found, BASELINE[::-1]))
    assert [r.value for r in comparison.ratios] == pytest.approx([20 / 10, 40 / 20, math.sqrt(40 * 80) / 50])
    assert comparison.span == (1e6, 16e6)
    assert comparison.best.evaluation.index in (0, 1)
    assert comparison.better == 3


def test_intervals_are_the_widest_that_both_quartile_ranges_allow() -> None:
    (comparison,) = comparisons(report([model(0, 1e6, 5.0, 0.2), model(1, 4e6, 30.0, 0.3, predicted=True)], BASELINE))
    first, second = comparison.ratios
    assert (first.low, first.high) == pytest.approx((9.8 / 5.1, 10.2 / 4.9))
    assert (second.low, second.high) == pytest.approx((39.6 / 30.3, 40.4 / 29.7))


def test_the_interval_holds_the_ratio_of_any_values_within_both_ranges() -> None:
    rng = generator(0, "interval")
    for _ in range(50):
        own, theirs, spread_own, spread_theirs = rng.random(4) * [9, 9, 2, 2] + [1, 1, 0, 0]
        baseline = [model(100, 1e6, theirs, spread_theirs), model(101, 2e6, 1.0)]
        (comparison,) = comparisons(report([model(0, 1e6, own, spread_own)], baseline))
        (ratio,) = comparison.ratios
        for a, b in rng.random((20, 2)) - 0.5:
            value = (theirs + b * spread_theirs) / (own + a * spread_own)
            if value > 0 and own + a * spread_own > 0:
                assert ratio.low - 1e-9 <= value <= ratio.high + 1e-9


def test_nothing_is_extrapolated() -> None:
    found = [model(0, 0.5e6, 1.0), model(1, 3e6, 15.0), model(2, 99e6, 200.0)]
    (comparison,) = comparisons(report(found, BASELINE))
    assert [r.evaluation.index for r in comparison.ratios] == [1]
    assert comparison.outside == 2
    assert "2 more lie beyond its sizes" in comparison.sentence()


def test_a_frontier_worse_than_the_baseline_is_said_to_be_so() -> None:
    (comparison,) = comparisons(report([model(0, 1e6, 20.0), model(1, 4e6, 50.0)], BASELINE))
    assert comparison.better == 0
    assert median(comparison.ratios)[0] == pytest.approx((0.5 + 0.8) / 2)
    assert "up to 0.80x [0.79, 0.81], median 0.65x" in comparison.sentence()
    assert "0 of 2 on the whole frontier beat" in comparison.sentence()


def test_leaders_are_those_best_for_one_cost_at_their_size() -> None:
    names = "decoder_params,latency_ms@cpu,peak_memory_mb@cpu"
    found = [model(0, 2e6, 10.0, mb=9.0), model(1, 2e6, 19.0, mb=1.0), model(2, 4e6, 25.0, mb=9.5)]
    baseline = [model(100, 1e6, 10.0, mb=8.0), model(101, 8e6, 80.0, mb=16.0)]
    latency, memory = comparisons(report(found, baseline, names))
    assert [r.evaluation.index for r in latency.leaders] == [0, 2]
    assert [r.evaluation.index for r in memory.leaders] == [1, 2]
    assert better_in_all([latency, memory]) == (3, 3)
    assert sentences([latency, memory])[-1] == "3 of 3 beat the baseline in latency and peak memory at once."


@pytest.mark.parametrize("baseline", [[], BASELINE[:1], [BASELINE[0], model(103, 1e6, 20.0)]])
def test_without_two_sizes_there_is_no_comparison(baseline: list[Evaluation]) -> None:
    assert comparisons(report([model(0, 1e6, 5.0)], baseline)) == []


def test_failed_baseline_models_are_left_out_and_equal_sizes_take_the_cheaper() -> None:
    failed = Evaluation(
        104,
        BASELINE[1].candidate,
        {**BASELINE[1].measurements, "latency_ms@cpu": Measurement.failed("oom: 2 GB", "ms")},
    )
    (comparison,) = comparisons(
        report([model(0, 4e6, 10.0)], [BASELINE[0], failed, BASELINE[2], model(105, 16e6, 70.0)])
    )
    assert comparison.ratios[0].value == pytest.approx(math.sqrt(10 * 70) / 10)


def test_perplexity_is_no_cost() -> None:
    found = [
        Evaluation(e.index, e.candidate, {**e.measurements, "perplexity": Measurement.of(30.0, "perplexity")})
        for e in (model(0, 2e6, 10.0), *BASELINE)
    ]
    data = report(found[:1], found[1:], "perplexity,latency_ms@cpu")
    assert [c.cost for c in comparisons(data)] == [LATENCY]


def test_headline_of_a_whole_study_agrees_with_brute_force() -> None:
    data = study()
    known = sorted(
        (float(e.measurements["decoder_params"].value or 0), float(e.measurements["latency_ms@cpu"].value or 0))
        for e in data.baseline
    )
    expected = []
    for evaluation in data.frontier:
        size = float(evaluation.measurements["decoder_params"].value or 0)
        for (x0, y0), (x1, y1) in itertools.pairwise(known):
            if x0 <= size < x1:
                share = (math.log(size) - math.log(x0)) / (math.log(x1) - math.log(x0))
                cost = math.exp(math.log(y0) + share * (math.log(y1) - math.log(y0)))
                expected.append(cost / float(evaluation.measurements["latency_ms@cpu"].value or 0))
    latency = comparisons(data)[0]
    assert sorted(r.value for r in latency.ratios) == pytest.approx(sorted(expected))
    assert latency.best.value == pytest.approx(max(expected))
    assert median(latency.ratios)[0] == pytest.approx(np.median(expected))
    assert latency.outside == len(data.frontier) - len(expected)


def test_half_width() -> None:
    assert half_width(Measurement.of(1.0, "ms", spread=0.4)) == 0.2
    assert half_width(Measurement.of(1.0, "ms", spread=0.4, predicted=True)) == 0.4
