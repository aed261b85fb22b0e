"""The PNG figures of a comparison: progress, critical differences, attainment surfaces."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tradewind.pareto.wording import label, noun
from tradewind.reports import style
from tradewind.reports.compare_look import LEVELS, MEASURES, colours, dashed, lower_is_better, shown_surfaces, surfaces
from tradewind.studies.compare import Case, Outcome, Ranking, Summary
from tradewind.studies.compare.statistics import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4


def comparison_figures(summary: Summary) -> dict[str, Figure]:
    """All figures by file name without ending, for each of what algorithms were told."""
    made: dict[str, Figure | None] = {}
    for sees in summary.contest.sees:
        made |= {f"{measure.replace('_plus', '')}-{sees}": progress(summary, sees, measure) for measure in MEASURES}
        made[f"ranks-{sees}"] = ranks(summary, sees)
        made[f"attainment-{sees}"] = attainment_surfaces(summary, sees)
    return {name: picture for name, picture in made.items() if picture is not None}


def progress(summary: Summary, sees: str, measure: str) -> Figure:
    """A measure over evaluations, a panel a case: mean over runs and 95% bootstrap band of the mean."""
    cases = summary.contest.cases
    picture, panels = _panels(len(cases), 2.0)
    colour, places = colours(summary.contest.contestants), np.array(summary.places())
    with style.rc_context():
        for axes, case in zip(panels, cases, strict=True):
            for outcome in summary.of(case, sees):
                name = outcome.contestant.name
                curves = band(getattr(outcome, measure)[:, places - 1])
                mean, low, high = (lower_is_better(measure, curve) for curve in curves)
                look: dict[str, Any] = {"color": colour[name], "lw": 1.1}
                axes.plot(places, mean, **look, ls="--" if dashed(outcome.contestant) else "-", label=name)
                axes.fill_between(places, low, high, color=colour[name], alpha=0.2, lw=0)
            axes.set(yscale="log", xlim=(0, places[-1]))
            _log_ticks(axes)
            _title(axes, case)
        picture.supxlabel("evaluations", fontsize=9)
        picture.supylabel(MEASURES[measure][1], fontsize=9)
        _legend(picture, panels)
    return picture


def ranks(summary: Summary, sees: str) -> Figure | None:
    """The critical-difference diagram over all cases and seeds (Demsar 2006)."""
    found = summary.ranking(sees)
    if found is None:
        return None
    picture = style.figure(5.6, 1.3 + 0.24 * len(found.names))
    with style.rc_context():
        axes = picture.subplots()
        _ranks(axes, found, colours(summary.contest.contestants))
    return picture


def _ranks(axes: Axes, found: Ranking, colour: dict[str, str]) -> None:
    count = len(found.names)
    for place, (name, mean) in enumerate(zip(found.names, found.ranks, strict=True)):
        axes.plot([1, mean], [place, place], color=style.FAINT, lw=1, zorder=1)
        axes.plot([mean], [place], "o", color=colour[name], ms=5, zorder=3)
    for group in found.groups:
        places = [found.names.index(name) for name in group]
        x = max(found.ranks[p] for p in places) + 0.16 + 0.1 * found.groups.index(group)
        axes.plot([x, x], [places[0] - 0.2, places[-1] + 0.2], color=style.INK, lw=2.2, zorder=2)
    axes.set_yticks(range(count), [f"{n}  {r:.2f}" for n, r in zip(found.names, found.ranks, strict=True)])
    axes.set(
        xlim=(0.9, count + 0.3), ylim=(count - 0.5, -1.1), xlabel=f"mean rank over {found.blocks} blocks (1 is best)"
    )
    axes.grid(False, axis="y")
    axes.plot([1, 1 + found.critical_difference], [-0.75, -0.75], color=style.VERMILLION, lw=2.2)
    words = f"critical difference {found.critical_difference:.2f}; upright bars join what does not differ"
    axes.set_title(words, fontsize=8, fontweight="normal")


def attainment_surfaces(summary: Summary, sees: str) -> Figure | None:
    """What 25, 50 and 75% of the runs attain: best algorithm and random search, beside the exact frontier."""
    cases = [case for case in summary.contest.cases if len(case.objectives) == 2]
    if not cases:
        return None
    from matplotlib.ticker import MaxNLocator

    optimum = {best.case: best.values for best in summary.optima}
    picture, panels = _panels(len(cases), 2.3, columns=3)
    colour = colours(summary.contest.contestants)
    with style.rc_context():
        for axes, case in zip(panels, cases, strict=True):
            exact = optimum[case][np.argsort(optimum[case][:, 1])]
            steps = _steps(case)
            axes.step(exact[:, 1], exact[:, 0], where=steps, c=style.INK, lw=0.9, label="exact frontier", zorder=4)
            for outcome in shown_surfaces(summary, summary.of(case, sees), sees):
                _surface(axes, outcome, colour[outcome.contestant.name])
            y, x = case.objectives
            style.scale_axis(axes, "x", exact[:, 1])
            if not style.logarithmic(exact[:, 1]):
                axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.set(xlabel=label(x), ylabel=label(y))
            axes.set_title(case.benchmark)
        _legend(picture, panels)
    return picture


def _surface(axes: Axes, outcome: Outcome, colour: str) -> None:
    for level, points in surfaces(outcome).items():
        points = points[np.argsort(points[:, 1], kind="stable")]
        middle = level == LEVELS[1]
        text = f"{outcome.contestant.name} (25, 50, 75% of runs)" if middle else None
        axes.step(
            points[:, 1], points[:, 0], where=_steps(outcome.case), color=colour, lw=1.3 if middle else 0.6, label=text
        )


def _steps(case: Case) -> Literal["post", "pre"]:
    """How a staircase goes on from a point of a front, in order of the second objective."""
    return "post" if case.objectives[1].minimise else "pre"


def _panels(count: int, height: float, columns: int = COLUMNS) -> tuple[Figure, Sequence[Axes]]:
    columns = min(columns, count)
    lines = -(-count // columns)
    wide = 2.3 if columns == COLUMNS else 3.0
    picture = style.figure(max(wide * columns + 0.5, 4.2), height * lines + 0.7)
    with style.rc_context():
        panels = picture.subplots(lines, columns, squeeze=False).ravel().tolist()
    for axes in panels[count:]:
        axes.set_visible(False)
    return picture, panels[:count]


def _log_ticks(axes: Axes) -> None:
    from matplotlib.ticker import NullFormatter

    low, high = axes.get_ylim()
    axes.set_yticks([tick for tick in style.log_ticks([low, high]) if low <= tick <= high])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _title(axes: Axes, case: Case) -> None:
    devices = dict.fromkeys(o.device for o in case.objectives if o.device)
    axes.set_title(f"{', '.join([case.benchmark, *devices])}\n{', '.join(map(noun, case.objectives))}", fontsize=7.0)


def _legend(picture: Figure, panels: Sequence[Axes]) -> None:
    handles = dict(
        itertools.chain.from_iterable(zip(*reversed(a.get_legend_handles_labels()), strict=True) for a in panels)
    )
    fits = max(1, int(picture.get_figwidth() * 10 / max(len(name) + 8 for name in handles)))
    columns = min(5, len(handles), fits)
    picture.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=columns)
