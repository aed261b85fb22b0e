from __future__ import annotations

import dataclasses
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from tests.reports.payloads import hostile_study
from tests.reports.synthetic import study

from tradewind.reports import ReportData, charts
from tradewind.reports.comparison import comparisons
from tradewind.reports.sections import study_sections

DATA = study(80)


def every(data: ReportData) -> list[charts.Chart]:
    return [chart for section in study_sections(data) for chart in section.charts]


def test_plotly_accepts_every_chart_whole() -> None:
    drawn = every(DATA)
    assert [c.id for c in drawn] == [
        "frontier",
        "frontier-3d",
        "saving-latency_ms@cpu",
        "saving-peak_memory_mb@cpu",
        "hypervolume",
        "profile",
    ]
    for chart in drawn:
        layout = dict(chart.layout)
        for axis, name in zip("xy", chart.axes, strict=False):
            layout[f"{axis}axis"] = next(c["axis"] for c in chart.choices if c["name"] == name)
        assert go.Figure(data=chart.traces, layout=layout).data


def test_the_axes_a_reader_may_choose_hold_the_study_s_numbers() -> None:
    chart = charts.frontier(DATA)
    assert [c["name"] for c in chart.choices] == [o.name for o in DATA.objectives]
    assert chart.axes == ("latency_ms@cpu", "decoder_params")
    by_name = {trace["name"]: columns for trace, columns in zip(chart.traces, chart.columns, strict=True)}
    front = by_name[f"frontier ({len(DATA.frontier)})"]
    for column, objective in enumerate(DATA.objectives):
        assert front[objective.name]["values"] == DATA.frontier.values[:, column].tolist()
    spreads = [e.measurements["latency_ms@cpu"].spread or 0 for e in DATA.frontier]
    assert front["latency_ms@cpu"]["errors"] == [spread / 2 for spread in spreads]
    shown = sum(len(columns["decoder_params"]["values"]) for columns in chart.columns)
    assert shown == len(DATA.valued) + len(DATA.baseline)


def test_other_measured_quantities_can_be_chosen_too() -> None:
    data = dataclasses.replace(DATA, objectives=DATA.objectives[:2])
    assert [c["name"] for c in charts.frontier(data).choices] == [
        "decoder_params",
        "latency_ms@cpu",
        "peak_memory_mb@cpu",
    ]
    assert charts.frontier_3d(data) is None


def test_three_dimensions_hold_the_frontier() -> None:
    chart = charts.frontier_3d(DATA)
    assert chart is not None
    front = chart.traces[-1]
    assert np.array([front["z"], front["x"], front["y"]]).T.tolist() == DATA.frontier.values.tolist()


def test_ratios_are_drawn_with_their_intervals() -> None:
    comparison = comparisons(DATA)[0]
    chart = charts.savings(comparison)
    points = {
        (x, y): (y - down, y + up)
        for trace in chart.traces[:2]
        for x, y, down, up in zip(
            trace["x"], trace["y"], trace["error_y"]["arrayminus"], trace["error_y"]["array"], strict=True
        )
    }
    assert len(points) == len(comparison.ratios)
    for ratio in comparison.ratios:
        assert points[ratio.decoder_params, ratio.value] == pytest.approx((ratio.low, ratio.high))


@pytest.mark.parametrize(("deepest", "step"), [(4, 1), (10, 1), (15, 3)])
def test_layers_of_shallow_networks_are_all_numbered(deepest: int, step: int) -> None:
    kept = tuple(e for e in DATA.evaluations if e.candidate.n_layer <= deepest)
    chart = charts.profile(dataclasses.replace(DATA, evaluations=kept))
    assert chart is not None
    assert chart.layout["yaxis2"]["dtick"] == chart.layout["yaxis3"]["dtick"] == step


def test_profile_shows_every_layer_of_every_architecture() -> None:
    chart = charts.profile(DATA)
    assert chart is not None
    _, inner, heads = chart.traces
    for column, (rank, evaluation) in enumerate(zip(inner["x"], DATA.frontier, strict=False)):
        if len(DATA.frontier) <= 64:
            assert rank == str(column + 1)
            assert [row[column] for row in inner["z"] if row[column] is not None] == list(evaluation.candidate.d_inner)
            assert [row[column] for row in heads["z"] if row[column] is not None] == list(evaluation.candidate.n_head)
    assert len(inner["x"]) == min(64, len(DATA.frontier))


def test_a_long_study_is_thinned_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = study(60, names="decoder_params,latency_ms@cpu")
    monkeypatch.setattr(charts, "BEHIND", 10)
    trace, columns = charts.frontier(data).traces[0], charts.frontier(data).columns[0]
    behind = len(data.valued) - len(data.frontier)
    assert trace["name"] == f"also evaluated (10 of {behind})"
    assert len(columns["decoder_params"]["values"]) == len(trace["hovertext"]) == 10


def test_hover_tells_the_architecture_and_its_measurements() -> None:
    evaluation = DATA.frontier[0]
    text = charts.hover(evaluation, 1)
    assert text.startswith(f"<b>#1 {evaluation.candidate.id[:8]}</b>")
    assert f"{evaluation.candidate.n_layer} layers" in text
    plain = re.sub("<br>|&nbsp;", " ", text)
    assert " ".join(map(str, evaluation.candidate.d_inner[:8])) in plain
    assert re.search(r"latency on cpu \(ms\): [\d.]+ ± [\d.]+ \(n=\d+\)", text)


def test_hover_texts_hold_no_markup_but_their_own() -> None:
    for chart in every(hostile_study()):
        for trace in chart.traces:
            for text in trace.get("hovertext", ()):
                assert set(re.findall(r"<[^>]*>", text)) <= {"<b>", "</b>", "<br>"}
            assert "<" not in str(trace.get("name", ""))
