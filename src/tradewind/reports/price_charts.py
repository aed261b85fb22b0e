"""Figures of a device's prices: foretold against measured, and where the time and the memory of the frontier go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.core import Evaluation
from tradewind.pareto.wording import evenly, label
from tradewind.reports import style
from tradewind.reports.charts import Chart, hover
from tradewind.reports.data import ReportData
from tradewind.reports.figures import COLUMNS
from tradewind.reports.prices import Prices, prices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def foretold(found: Prices) -> Chart:
    """Each measurement against what the others foretold, with the line on which they would agree.

    Bars: half the inter-quartile range of a measurement, and the 90% interval of what is foretold.
    """
    low, high = _range(found)
    bars = {"type": "data", "thickness": 0.8, "width": 0, "color": style.GREY}
    points: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": "measured",
        "x": found.measured.tolist(),
        "y": found.foretold.tolist(),
        "error_x": {**bars, "array": found.bars[0].tolist()},
        "error_y": {**bars, "array": found.bars[1].tolist()},
        "marker": {"color": style.FRONTIER, "size": 6},
        "hoverinfo": "text",
        "hovertext": [hover(evaluation) for evaluation in found.evaluations],
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "agreement",
        "x": [low, high],
        "y": [low, high],
        "line": {"color": style.BASELINE, "dash": "dash", "width": 1.2},
        "hoverinfo": "skip",
    }
    kind = "log" if style.logarithmic([low, high]) else "linear"
    name = label(found.objective)
    layout = {
        "xaxis": {"title": {"text": f"measured {name}"}, "type": kind},
        "yaxis": {"title": {"text": f"foretold {name}"}, "type": kind},
        "showlegend": False,
    }
    title = f"{name}: median error {100 * found.median_error:.1f} % when left out"
    return Chart(f"foretold-{found.objective.name}", title, [line, points], layout, 400)


def breakdown(found: Prices, frontier: Sequence[Evaluation]) -> Chart:
    """What each kind of work costs in each network of the frontier, stacked."""
    shown = evenly(list(enumerate(frontier, start=1)), COLUMNS)
    ranks = [str(rank) for rank, _ in shown]
    parts = found.shares([evaluation for _, evaluation in shown])
    traces = [
        {
            "type": "bar",
            "name": name,
            "x": ranks,
            "y": values.tolist(),
            "marker": {"color": _colour(index)},
            "hovertemplate": f"#%{{x}} {name}: %{{y:.3g}} {found.objective.unit}<extra></extra>",
        }
        for index, (name, values) in enumerate(parts.items())
    ]
    layout = {
        "barmode": "stack",
        "bargap": 0.15,
        "xaxis": {"title": {"text": "rank on the frontier"}, "type": "category", "nticks": 20},
        "yaxis": {"title": {"text": label(found.objective)}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
    return Chart(f"breakdown-{found.objective.name}", f"where the {label(found.objective)} goes", traces, layout, 420)


def price_figures(data: ReportData) -> dict[str, Figure]:
    """Both figures for every model as one picture, by file name without ending; nothing where nothing is modelled."""
    models = prices(data)
    if not models:
        return {}
    made = style.figure(8.6, 3.5 * len(models))
    with style.rc_context():
        rows = made.subplots(len(models), 2, squeeze=False)
        for (left, right), found in zip(rows, models, strict=True):
            _draw_foretold(left, found)
            _draw_breakdown(right, found, data.frontier)
    return {"prices": made}


def _draw_foretold(axes: Axes, found: Prices) -> None:
    low, high = _range(found)
    axes.plot([low, high], [low, high], ls="--", lw=1.0, color=style.BASELINE)
    across, upright = found.bars
    axes.errorbar(found.measured, found.foretold, upright, across, fmt="none", elinewidth=0.6, ecolor=style.GREY)
    axes.plot(found.measured, found.foretold, "o", ms=3.5, mew=0, alpha=0.8, color=style.FRONTIER)
    for which in ("x", "y"):
        style.scale_axis(axes, which, [low, high])
    name = label(found.objective)
    axes.set(xlabel=f"measured {name}", ylabel=f"foretold {name}")
    axes.set_title(f"median error {100 * found.median_error:.1f} % when left out")


def _draw_breakdown(axes: Axes, found: Prices, frontier: Sequence[Evaluation]) -> None:
    shown = evenly(list(frontier), COLUMNS)
    rank = np.arange(1, len(shown) + 1)
    base = np.zeros(len(shown))
    for index, (name, values) in enumerate(found.shares(shown).items()):
        axes.bar(rank, values, bottom=base, width=0.85, color=_colour(index), label=name)
        base += values
    axes.set(xlabel="networks of the frontier, best first", ylabel=label(found.objective))
    axes.set_title(f"where the {label(found.objective)} goes")
    axes.legend(fontsize=6.5, loc="upper right")


def _range(found: Prices) -> tuple[float, float]:
    values = np.concatenate([found.measured, found.foretold])
    return float(values.min()), float(values.max())


def _colour(index: int) -> str:
    return (*style.PALETTE, style.GREY)[index % (len(style.PALETTE) + 1)]
