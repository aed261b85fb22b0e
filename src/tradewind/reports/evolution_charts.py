"""The charts of a search of programs, as plain plotly data: fitness over births, the family tree, fresh trainings."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.core import Evaluation
from tradewind.pareto.wording import cell, label
from tradewind.programs import diff
from tradewind.reports import style
from tradewind.reports.charts import Chart
from tradewind.reports.data import ReportData
from tradewind.reports.evolution import Retrained, ancestry, details, parent, value

LEGEND = {"legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"}}
SIX_SIGMA = 6.0
"""How far above the best a chart reaches, as a multiple of the start's distance to it; what is worse stands on top."""


def fitness(data: ReportData) -> Chart | None:
    """The first objective of every program in the order of birth, and the best so far of those trained to the end."""
    objective, known = data.objectives[0], {e.candidate.id: e for e in data.evaluations}
    whole, stopped, failed = split(data)
    if not whole:
        return None
    top = ceiling(data)
    traces = []
    for found, name, color, symbol in (
        (stopped, "stopped at a hurdle", style.GREY, "circle-open"),
        (whole, "trained to the end", style.FRONTIER, "circle"),
        (failed, "failed", style.BASELINE, "x-thin-open"),
    ):
        if found:
            values = [value(e, objective) for e in found]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": f"{name} ({len(found)})",
                    "x": [e.index for e in found],
                    "y": [top if v is None else min(v, top) for v in values],
                    "marker": {"color": color, "symbol": symbol, "size": 6},
                    "hoverinfo": "text",
                    "hovertext": [hover(e, known) for e in found],
                }
            )
    best: list[tuple[int, float]] = []
    for evaluation in whole:
        found_value = value(evaluation, objective)
        if found_value is not None and (not best or found_value < best[-1][1]):
            best.append((evaluation.index, found_value))
    best.append((data.evaluations[-1].index, best[-1][1]))
    line: Any = {"color": style.ORANGE, "shape": "hv", "width": 2}
    steps: dict[str, Any] = {"x": [x for x, _ in best], "y": [y for _, y in best]}
    traces.append(
        {"type": "scatter", "mode": "lines", "name": "best so far", **steps, "line": line, "hoverinfo": "skip"}
    )
    layout = {
        "xaxis": {"title": {"text": "birth"}},
        "yaxis": {"title": {"text": style.axis_label(objective)}},
        **LEGEND,
    }
    return Chart("fitness", "Fitness over births", traces, layout, 460)


def family_tree(data: ReportData) -> Chart | None:
    """Every program under its parent, generation by generation, with the line of the best one."""
    children: dict[str, list[Evaluation]] = {}
    known = {e.candidate.id: e for e in data.evaluations}
    roots = []
    for evaluation in data.evaluations:
        above = parent(evaluation)
        if above in known:
            children.setdefault(str(above), []).append(evaluation)
        else:
            roots.append(evaluation)
    if len(data.evaluations) < 3 or not children:
        return None
    places = layout_of(roots, children)
    objective = data.objectives[0]
    winners = {e.candidate.id for e in ancestry(data.frontier[0], data.evaluations)} if len(data.frontier) else set()
    edges: dict[bool, tuple[list[float | None], list[float | None]]] = {False: ([], []), True: ([], [])}
    for evaluation in data.evaluations:
        above = parent(evaluation)
        if above in places:
            xs, ys = edges[evaluation.candidate.id in winners]
            (x0, y0), (x1, y1) = places[str(above)], places[evaluation.candidate.id]
            xs += [x0, x1, None]
            ys += [y0, y1, None]
    traces: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "x": edges[won][0], "y": edges[won][1], "name": name, "hoverinfo": "skip",
         "line": {"color": color, "width": width}}
        for won, name, color, width in ((False, "parent and child", style.GREY, 0.6),
                                        (True, "line of the best", style.BASELINE, 2.5))
    ]  # fmt: skip
    top = ceiling(data)
    values = [value(e, objective) for e in data.evaluations]
    bar = {"title": {"text": label(objective)}, "thickness": 12, "outlinewidth": 0}
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "program",
            "showlegend": False,
            "x": [places[e.candidate.id][0] for e in data.evaluations],
            "y": [places[e.candidate.id][1] for e in data.evaluations],
            "marker": {
                "color": [top if v is None else min(v, top) for v in values],
                "symbol": ["x-thin-open" if v is None else "circle" for v in values],
                "size": [11 if e.candidate.id in winners else 6 for e in data.evaluations],
                "colorscale": "Cividis",
                "colorbar": bar,
            },
            "hoverinfo": "text",
            "hovertext": [hover(e, known) for e in data.evaluations],
        }
    )
    layout = {
        "xaxis": {"visible": False},
        "yaxis": {"title": {"text": "generation"}, "autorange": "reversed", "dtick": 1},
        **LEGEND,
    }
    return Chart("family-tree", "Family tree", traces, layout, 520)


def trained_again(rows: Sequence[Retrained]) -> Chart | None:
    """The validation loss of each fresh training, a row a program."""
    rows = [row for row in rows if row.losses]
    if not rows:
        return None
    names = ["start" if math.isnan(r.gain) and i == 0 else r.program.id[:8] for i, r in enumerate(rows)]
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": list(row.losses.values()),
            "y": [name] * len(row.losses),
            "marker": {"color": style.BASELINE if name == "start" else style.FRONTIER, "size": 8, "opacity": 0.7},
            "hovertemplate": f"{name}: %{{x:.4f}}<extra></extra>",
        }
        for name, row in zip(names, rows, strict=True)
    ]
    layout = {
        "xaxis": {"title": {"text": "validation loss (nats per token), a point a seed"}},
        "yaxis": {"type": "category", "autorange": "reversed"},
        "showlegend": False,
    }
    return Chart("trained-again", "Trained again", traces, layout, 120 + 44 * len(rows))


def split(data: ReportData) -> tuple[list[Evaluation], list[Evaluation], list[Evaluation]]:
    """Evaluations that were trained to the end, that stopped at a hurdle, and that have no value."""
    objective = data.objectives[0]
    failed = [e for e in data.evaluations if value(e, objective) is None]
    rest = [e for e in data.evaluations if value(e, objective) is not None]
    return (
        [e for e in rest if details(e, "stopped") is None],
        [e for e in rest if details(e, "stopped") is not None],
        failed,
    )


def ceiling(data: ReportData) -> float:
    """The largest value that charts show; outliers are drawn at it."""
    found = sorted(v for e in data.evaluations if (v := value(e, data.objectives[0])) is not None)
    if not found:
        return 0.0
    best, middle = found[0], found[len(found) // 2]
    return min(found[-1], best + SIX_SIGMA * max(middle - best, 1e-9))


def layout_of(
    roots: Sequence[Evaluation], children: Mapping[str, Sequence[Evaluation]]
) -> dict[str, tuple[float, int]]:
    """Place and generation of every program: leaves side by side, parents over the middle of their children."""
    places: dict[str, tuple[float, int]] = {}
    slots = 0
    # Two visits of each, so that a line as long as the search needs no recursion: going down, and coming back.
    stack = [(root.candidate.id, 0, False) for root in reversed(roots)]
    while stack:
        name, depth, back = stack.pop()
        below = [child.candidate.id for child in children.get(name, ())]
        if back:
            xs = [places[child][0] for child in below]
            places[name] = ((xs[0] + xs[-1]) / 2, depth)
        elif below:
            stack.append((name, depth, True))
            stack += [(child, depth + 1, False) for child in reversed(below)]
        else:
            places[name] = (float(slots), depth)
            slots += 1
    return places


def hover(evaluation: Evaluation, known: Mapping[str, Evaluation]) -> str:
    """What a reader sees over a program: number, id, what changed, measurements; escaped for plotly."""
    lines = [f"<b>#{evaluation.index} {html.escape(evaluation.candidate.id[:8])}</b>"]
    above = known.get(parent(evaluation) or "")
    if above is not None:
        changes = diff(above.candidate, evaluation.candidate)
        lines += [f"from #{above.index}", *(html.escape(change) for change in changes[:6])]
        lines += [f"and {len(changes) - 6} more"] if len(changes) > 6 else []
    for name, m in evaluation.measurements.items():
        lines.append(f"{html.escape(name)}: {cell(m)}" + (f" ({html.escape(m.reason[:80])})" if m.reason else ""))
    stopped, same = details(evaluation, "stopped"), details(evaluation, "same_as")
    lines += [f"stopped at hurdle {stopped}"] if stopped is not None else []
    lines += [f"computes what {html.escape(str(same)[:8])} does"] if same else []
    return "<br>".join(lines)
