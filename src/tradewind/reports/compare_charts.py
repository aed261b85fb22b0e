"""The interactive charts of a comparison's page, as plotly's plain data."""

from __future__ import annotations

from typing import Any

import numpy as np

from tradewind.pareto.wording import evenly, label
from tradewind.reports import style
from tradewind.reports.charts import Chart
from tradewind.reports.compare_look import LEVELS, MEASURES, colours, dashed, lower_is_better, shown_surfaces, surfaces
from tradewind.studies.compare import Case, Outcome, Ranking, Summary
from tradewind.studies.compare.optimum import Optimum
from tradewind.studies.compare.statistics import band

EXACT_POINTS = 400
"""Points of the exact frontier that a chart shows."""


def progress(summary: Summary, case: Case, sees: str, measure: str) -> Chart:
    """A measure over evaluations on one case, with the 95% band of the mean."""
    colour, places = colours(summary.contest.contestants), np.array(summary.places())
    traces: list[dict[str, Any]] = []
    for outcome in summary.of(case, sees):
        name = outcome.contestant.name
        curves = band(getattr(outcome, measure)[:, places - 1])
        mean, low, high = (lower_is_better(measure, curve).tolist() for curve in curves)
        x = places.tolist()
        area = {"type": "scatter", "mode": "lines", "x": x + x[::-1], "y": high + low[::-1], "fill": "toself"}
        area |= {"fillcolor": colour[name], "opacity": 0.2, "line": {"width": 0}, "hoverinfo": "skip"}
        line = {"color": colour[name], "width": 1.8, "dash": "dash" if dashed(outcome.contestant) else "solid"}
        traces += [
            {**area, "showlegend": False, "legendgroup": name},
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "legendgroup": name,
                "x": x,
                "y": mean,
                "line": line,
                "hovertemplate": f"{name}: %{{y:.3g}} after %{{x}}<extra></extra>",
            },
        ]
    ticks = style.log_ticks([value for trace in traces for value in trace["y"]])
    written = {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    layout = {
        "xaxis": {"title": {"text": "evaluations"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": MEASURES[measure][1]}, "type": "log", **written},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
    }
    return Chart(f"{measure}-{sees}-{summary.contest.cases.index(case)}", case.name, traces, layout, 400)


def ranks(found: Ranking, sees: str, colour: dict[str, str]) -> Chart:
    """Mean ranks, each with half the critical difference to either side: bars that overlap do not differ."""
    names, means = list(reversed(found.names)), list(reversed(found.ranks))
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": means,
        "y": names,
        "error_x": {"type": "constant", "value": found.critical_difference / 2, "thickness": 1.2, "width": 4},
        "marker": {"color": [colour[name] for name in names], "size": 9},
        "hovertemplate": "%{y}: mean rank %{x:.2f}<extra></extra>",
        "showlegend": False,
    }
    layout = {"xaxis": {"title": {"text": "mean rank (1 is best)"}}, "yaxis": {"type": "category"}}
    return Chart(f"ranks-{sees}", "Mean ranks", [trace], layout, 120 + 34 * len(names))


def attainment(summary: Summary, best: Optimum, outcomes: list[Outcome], sees: str) -> Chart:
    """Attainment surfaces of the best algorithm and of random search on a case with two objectives."""
    case, colour = best.case, colours(summary.contest.contestants)
    y, x = case.objectives
    steps = "hv" if x.minimise else "vh"
    exact = np.array(evenly(best.values[np.argsort(best.values[:, 1])].tolist(), EXACT_POINTS))
    traces: list[dict[str, Any]] = []
    for outcome in shown_surfaces(summary, outcomes, sees):
        name = outcome.contestant.name
        for level, points in surfaces(outcome).items():
            points = points[np.argsort(points[:, 1], kind="stable")]
            middle = level == LEVELS[1]
            line = {"color": colour[name], "width": 2 if middle else 1, "shape": steps}
            line |= {} if middle else {"dash": "dot"}
            values = {"x": points[:, 1].tolist(), "y": points[:, 0].tolist()}
            legend = {"name": f"{name}, {level:g}% of runs", "line": line}
            traces.append({"type": "scatter", "mode": "lines", **values, **legend})
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"exact frontier ({len(best.values):,} points)",
            "x": exact[:, 1].tolist(),
            "y": exact[:, 0].tolist(),
            "line": {"color": style.BASELINE, "width": 1.5, "dash": "dash", "shape": steps},
        }
    )
    layout = {
        "xaxis": {"title": {"text": label(x)}, "type": "log" if style.logarithmic(exact[:, 1]) else "linear"},
        "yaxis": {"title": {"text": label(y)}},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
    }
    return Chart(f"attainment-{sees}-{summary.contest.cases.index(case)}", case.name, traces, layout, 460)
