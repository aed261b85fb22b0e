from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tests.search.toy import MODELS, ToyDevice, problem_of, run

from tradewind import spaces
from tradewind.core import Evaluation
from tradewind.reports import document
from tradewind.reports.data import ReportData
from tradewind.reports.price_charts import breakdown, foretold, price_figures
from tradewind.reports.prices import prices, remainder
from tradewind.reports.sections import device_prices
from tradewind.search.calibrated import Calibrated, CalibratedSettings

SPACE = spaces.get("gpt2", n_layer="2..4", d_model="128..320")


def searched(noise: float = 0.0, budget: int = 40, algorithm: str = "calibrated") -> ReportData:
    problem = problem_of("decoder_params,latency_ms@toy,peak_memory_mb@toy", SPACE)
    search = Calibrated(problem, CalibratedSettings(measurements=16, round=8))
    log = run(search, ToyDevice(problem.objectives, noise), budget)
    return ReportData(
        "run", problem.objectives, tuple(log), setup={"algorithm": algorithm}, space=SPACE, workload=problem.workload
    )


@pytest.fixture(scope="module")
def data() -> ReportData:
    return searched()


def test_a_noiseless_device_is_foretold_and_its_prices_are_found(data: ReportData) -> None:
    latency, memory = prices(data)
    assert (latency.objective.name, memory.objective.name) == ("latency_ms@toy", "peak_memory_mb@toy")
    assert latency.median_error < 1e-3
    new = SPACE.sample_many(40, 5)
    assert np.allclose(latency.model.predict(new), MODELS["latency_ms"].predict(new), rtol=0.01)


def test_the_shares_of_a_network_sum_to_its_cost_dearest_first(data: ReportData) -> None:
    latency = prices(data)[0]
    shares = latency.shares(data.frontier)
    assert np.allclose(sum(shares.values()), latency.model.predict([e.candidate for e in data.frontier]))
    totals = [values.sum() for values in shares.values()]
    assert totals == sorted(totals, reverse=True)


def test_noise_shows_in_the_error() -> None:
    assert 0.01 < prices(searched(noise=0.05))[0].median_error < 0.12


def test_the_remainder_shrinks_as_more_is_measured() -> None:
    few, many = searched(budget=20), searched(budget=56)
    early, late = remainder(few), remainder(many)
    assert early is not None
    assert late is not None
    assert 0 <= late.gain < early.gain
    assert f"{100 * late.gain:.1f} %" in late.sentence()
    assert remainder(searched(algorithm="lts")) is None


def test_too_few_predicted_or_unknown_values_are_not_modelled(data: ReportData) -> None:
    assert prices(dataclasses.replace(data, evaluations=data.evaluations[:5])) == ()
    assert prices(dataclasses.replace(data, workload=None)) == ()
    guesses = tuple(
        Evaluation(e.index, e.candidate, {n: dataclasses.replace(m, predicted=True) for n, m in e.measurements.items()})
        for e in data.evaluations
    )
    assert prices(dataclasses.replace(data, evaluations=guesses)) == ()
    assert device_prices(dataclasses.replace(data, workload=None)) is None


def test_charts_and_figure_show_the_models_numbers(data: ReportData, tmp_path: Path) -> None:
    latency = prices(data)[0]
    scatter = foretold(latency).traces[1]
    assert scatter["x"] == latency.measured.tolist()
    assert scatter["error_x"]["array"] == [
        e.measurements["latency_ms@toy"].spread / 2 if e.measurements["latency_ms@toy"].spread else 0.0
        for e in latency.evaluations
    ]
    assert np.allclose(scatter["error_y"]["array"], latency.foretold * latency.model.half_width(0.9))
    bars = breakdown(latency, data.frontier)
    stacked = np.sum([trace["y"] for trace in bars.traces], axis=0)
    assert np.allclose(stacked, latency.model.predict([e.candidate for e in data.frontier]))
    assert set(price_figures(data)) == {"prices"}
    section = device_prices(data)
    assert section is not None
    assert len(section.charts) == 4


def test_the_document_carries_prices_and_remainder(data: ReportData) -> None:
    found = document(data)
    assert [row["objective"] for row in found["prices"]] == ["latency_ms@toy", "peak_memory_mb@toy"]
    assert found["remainder"]["points"] > 0
