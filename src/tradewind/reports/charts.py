"""The interactive charts of the page, as plain plotly data: what is drawn is decided here, the script only draws."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from tradewind.core import Evaluation, Objective
from tradewind.pareto.wording import cell, evenly, label, shape, short
from tradewind.reports import style
from tradewind.reports.comparison import AXIS, Comparison, half_width, median
from tradewind.reports.data import ReportData
from tradewind.reports.figures import COLUMNS, layers

BEHIND = 4000
"""Evaluated points that a chart shows at most, evenly spaced over the search; a browser draws more only slowly."""


@dataclasses.dataclass(frozen=True)
class Chart:
    """A plotly figure: traces, layout and height in pixels.

    With `choices` (name, title and plotly axis of each quantity) a reader picks the axes: `columns` holds for every
    trace the values and half-widths of each quantity, `axes` the names shown first.
    """

    id: str
    title: str
    traces: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int = 440
    choices: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    columns: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    axes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the page's script."""
        return dataclasses.asdict(self)


def frontier(data: ReportData) -> Chart:
    """Two quantities against each other, chosen by the reader among all that the frontier has."""
    choices = [
        {"name": o.name, "title": style.axis_label(o), "axis": _axis(style.axis_label(o), _known(data, o))}
        for o in data.measured
    ]
    groups = _groups(data)
    traces = [{"type": "scatter", **trace} for trace, _ in groups]
    columns = [
        {o.name: _column(evaluations, o, bars=trace["marker"]["color"] != style.EVALUATED) for o in data.measured}
        for trace, evaluations in groups
    ]
    axes = (data.objectives[1].name, data.objectives[0].name)
    return Chart("frontier", "The frontier", traces, _legend_on_top(), 540, choices, columns, axes)


def frontier_3d(data: ReportData) -> Chart | None:
    """The first three objectives at once, where there are three."""
    if len(data.objectives) < 3:
        return None
    z, x, y = data.objectives[:3]
    traces = []
    for trace, evaluations in _groups(data):
        marker = {**trace["marker"], "size": trace["marker"]["size"] * 0.5}
        values = {key: _column(evaluations, o)["values"] for key, o in (("x", x), ("y", y), ("z", z))}
        traces.append({"type": "scatter3d", **trace, "marker": marker, **values})
    scene: dict[str, Any] = {
        f"{key}axis": _axis(label(o), _known(data, o)) for key, o in (("x", x), ("y", y), ("z", z))
    }
    scene |= {"aspectmode": "cube", "camera": {"eye": {"x": -1.4, "y": -1.5, "z": 0.4}, "center": {"z": -0.12}}}
    return Chart("frontier-3d", "Three objectives at once", traces, {"scene": scene, **_legend_on_top()}, 600)


def savings(comparison: Comparison) -> Chart:
    """Ratio of baseline cost to the architecture's own against decoder parameters."""
    traces: list[dict[str, Any]] = []
    for leader, symbol, name in ((True, "circle", "best at its size"), (False, "circle-open", "on the frontier")):
        chosen = [r for r in comparison.ratios if r.leader is leader]
        error = {
            "type": "data",
            "symmetric": False,
            "array": [r.high - r.value for r in chosen],
            "arrayminus": [r.value - r.low for r in chosen],
            "thickness": 1,
            "width": 2,
        }
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [r.decoder_params for r in chosen],
                "y": [r.value for r in chosen],
                "error_y": error,
                "marker": {"color": style.FRONTIER, "symbol": symbol, "size": 7},
                "hoverinfo": "text",
                "hovertext": [
                    f"<b>{r.value:.2f}x</b> [{r.low:.2f}, {r.high:.2f}]<br>{_facts(r.evaluation)}" for r in chosen
                ],
            }
        )
    middle = median(comparison.leaders)[0]
    traces += [
        _level(comparison, middle, style.FRONTIER, "solid", f"median of the best {middle:.2f}x"),
        _level(comparison, 1.0, style.BASELINE, "dash", "scaled baseline"),
    ]
    layout = {
        "xaxis": _axis(label(AXIS), [r.decoder_params for r in comparison.ratios]),
        "yaxis": {"title": {"text": comparison.title}, "ticksuffix": "x"},
        **_legend_on_top(),
    }
    return Chart(f"saving-{comparison.cost.name}", label(comparison.cost), traces, layout, 400)


def hypervolume(data: ReportData) -> Chart | None:
    """Share of the final hypervolume over evaluations, and the baseline's."""
    steps = data.progress
    if not steps:
        return None
    done, share = zip(*steps, strict=True)
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines",
        "name": "search",
        "x": done,
        "y": [100 * s for s in share],
    }
    trace["line"] = {"color": style.FRONTIER, "shape": "hv", "width": 2}
    shapes, beside = [], data.baseline_share
    if beside is not None:
        text = f"scaled baseline {100 * beside:.0f} %"
        word = {"text": text, "font": {"color": style.BASELINE, "size": 11}, "textposition": "end"}
        line = {"color": style.BASELINE, "dash": "dash", "width": 1.5}
        ends = {"xref": "paper", "x0": 0, "x1": 1, "y0": 100 * beside, "y1": 100 * beside}
        shapes.append({"type": "line", "label": word, "line": line, **ends})
    layout = {
        "xaxis": {"title": {"text": "evaluations"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "hypervolume (% of the final)"}, "range": [0, 104]},
        "shapes": shapes,
        "showlegend": False,
    }
    trace["hovertemplate"] = "after %{x} evaluations: %{y:.1f} %<extra></extra>"
    return Chart("hypervolume", "Progress", [trace], layout, 340)


def profile(data: ReportData) -> Chart | None:
    """Width, inner sizes and heads of the frontier's architectures, layer by layer."""
    ranked = [(rank, e) for rank, e in enumerate(data.frontier, start=1) if hasattr(e.candidate, "d_inner")]
    if not ranked:
        return None
    shown = evenly(ranked, COLUMNS)
    names = [str(rank) for rank, _ in shown]
    archs = [e.candidate for _, e in shown]
    width = {"type": "bar", "x": names, "y": [a.d_model for a in archs], "marker": {"color": style.SKY}}
    bands = {"yaxis3": (0.0, 0.36), "yaxis2": (0.44, 0.80), "yaxis": (0.88, 1.0)}
    traces = [{**width, "hovertemplate": "#%{x}: d_model %{y}<extra></extra>", "showlegend": False}]
    for axis, field, word in (("y2", "d_inner", "d_inner"), ("y3", "n_head", "heads")):
        table = layers([getattr(a, field) for a in archs])
        low, high = bands[f"yaxis{axis[1]}"]
        choices = sorted({int(v) for v in table[~np.isnan(table)]})
        bar: dict[str, Any] = {"thickness": 12, "outlinewidth": 0} | ({"tickvals": choices} if len(choices) < 7 else {})
        traces.append(
            {
                "type": "heatmap",
                "x": names,
                "y": list(range(1, len(table) + 1)),
                "z": [[None if np.isnan(v) else int(v) for v in row] for row in table],
                "yaxis": axis,
                "colorscale": "Cividis",
                "xgap": 0.5,
                "ygap": 0.5,
                "hoverongaps": False,
                "colorbar": {**bar, "title": {"text": word}, "y": (low + high) / 2, "len": high - low},
                "hovertemplate": f"#%{{x}} layer %{{y}}: {word} %{{z}}<extra></extra>",
            }
        )
    layout: dict[str, Any] = {
        "xaxis": {
            "title": {"text": "rank on the frontier"},
            "type": "category",
            "nticks": 20,
            "anchor": "y3",
        },
        "showlegend": False,
    }
    depth = max(len(a.d_inner) for a in archs)
    for axis, title in (("yaxis", "d_model"), ("yaxis2", "layer"), ("yaxis3", "layer")):
        layout[axis] = {"title": {"text": title}, "domain": list(bands[axis])}
        if title == "layer":
            layout[axis] |= {"autorange": "reversed", "dtick": 1 if depth <= 10 else 3, "tick0": 0}
    return Chart("profile", "Depth and width", traces, layout, 680)


def hover(evaluation: Evaluation, rank: int | None = None) -> str:
    """What a reader sees over a point: id, shape, sizes of every layer, measurements; escaped for plotly."""
    lines = [f"<b>{'' if rank is None else f'#{rank} '}{html.escape(evaluation.candidate.id[:8])}</b>"]
    lines += [_facts(evaluation)]
    for name, word in (("d_inner", "d_inner"), ("n_head", "heads")):
        lines += _wrapped(word, getattr(evaluation.candidate, name, ()))
    for name, m in evaluation.measurements.items():
        repeats = f" (n={m.n})" if m.n > 1 else ""
        lines.append(f"{html.escape(label(Objective.parse(name)))}: {cell(m)}{repeats}")
    return "<br>".join(lines)


def _facts(evaluation: Evaluation) -> str:
    facts = shape(evaluation.candidate)
    words = [f"{facts['layers']} layers"] if "layers" in facts else []
    return html.escape(", ".join(words + [f"{k} {v}" for k, v in facts.items() if k != "layers"]))


def _wrapped(word: str, values: Sequence[int], a_line: int = 8) -> list[str]:
    rows = [values[i : i + a_line] for i in range(0, len(values), a_line)]
    return [f"{word if i == 0 else '&nbsp;' * len(word)} {' '.join(map(str, row))}" for i, row in enumerate(rows)]


def _groups(data: ReportData) -> list[tuple[dict[str, Any], Sequence[Evaluation]]]:
    """The three kinds of points, from back to front: how they look and which they are."""
    on_front = {e.index for e in data.frontier}
    behind = evenly([e for e in data.valued if e.index not in on_front], BEHIND)
    part = f"{len(behind)} of {len(data.valued) - len(data.frontier)}" if len(behind) == BEHIND else f"{len(behind)}"
    front = [hover(e, rank) for rank, e in enumerate(data.frontier, start=1)]
    kinds = (
        (behind, "markers", f"also evaluated ({part})", [hover(e) for e in behind], style.EVALUATED, "circle", 5),
        (data.baseline, "lines+markers", f"scaled baseline ({len(data.baseline)})", [hover(e) for e in data.baseline],
         style.BASELINE, "square-open", 8),
        (data.frontier, "markers", f"frontier ({len(data.frontier)})", front, style.FRONTIER, "circle", 8),
    )  # fmt: skip
    return [
        (
            {
                "mode": mode,
                "name": name,
                "hoverinfo": "text",
                "hovertext": texts,
                "marker": {"color": color, "symbol": symbol, "size": size},
                "line": {"color": color, "dash": "dash", "width": 1.5},
            },
            evaluations,
        )
        for evaluations, mode, name, texts, color, symbol, size in kinds
        if evaluations
    ]


def _column(
    evaluations: Sequence[Evaluation], objective: Objective, bars: bool = True
) -> dict[str, list[float | None]]:
    found = [e.measurements.get(objective.name) for e in evaluations]
    return {
        "values": [m.value if m is not None else None for m in found],
        "errors": [half_width(m) if m is not None and m.ok else 0.0 for m in found] if bars else [],
    }


def _known(data: ReportData, objective: Objective) -> list[float]:
    found = (e.values([objective]) for e in (*data.valued, *data.baseline))
    return [values[0] for values in found if values is not None]


def _axis(title: str, values: Sequence[float]) -> dict[str, Any]:
    """A plotly axis; a logarithmic one with ticks written out, because plotly's small digits are hard to read."""
    if not style.logarithmic(values):
        return {"title": {"text": title}}
    ticks = style.log_ticks(values)
    return {"title": {"text": title}, "type": "log", "tickvals": ticks, "ticktext": [short(tick) for tick in ticks]}


def _level(comparison: Comparison, y: float, color: str, dash: str, name: str) -> dict[str, Any]:
    """A horizontal line over the sizes compared, named in the legend."""
    ends = [comparison.ratios[0].decoder_params, comparison.ratios[-1].decoder_params]
    line = {"color": color, "dash": dash, "width": 1.5}
    return {"type": "scatter", "mode": "lines", "x": ends, "y": [y, y], "name": name, "line": line, "hoverinfo": "skip"}


def _legend_on_top() -> dict[str, Any]:
    return {"legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"}}
