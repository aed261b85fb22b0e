"""The PNG figures of a study: frontier, speed-up, progress and the profile of the frontier's architectures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.core import Evaluation, Objective
from tradewind.pareto.wording import evenly, label, short
from tradewind.reports import style
from tradewind.reports.comparison import AXIS, Comparison, bound, comparisons, median
from tradewind.reports.data import ReportData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 64
"""Architectures that a profile shows at most; more would be thinner than a pixel on paper."""


def figures(data: ReportData) -> dict[str, Figure]:
    """All figures that the study has data for, by file name without ending."""
    made = {
        "frontier": frontier(data),
        "speedup": savings(comparisons(data)),
        "hypervolume": hypervolume(data),
        "profile": profile(data),
    }
    return {name: picture for name, picture in made.items() if picture is not None}


def projections(objectives: Sequence[Objective]) -> list[tuple[Objective, Objective]]:
    """Pairs (x, y) of objectives to draw: the first one against each other, then the others among themselves.

    With more than four objectives only the first kind.
    """
    first, *rest = objectives
    pairs = [(other, first) for other in rest]
    return pairs + (list(itertools.combinations(rest, 2)) if len(objectives) <= 4 else [])


def frontier(data: ReportData) -> Figure | None:
    """Pairwise projections with every evaluated point behind and the baseline beside; bars are the spread."""
    pairs = projections(data.objectives)
    if not len(data.frontier) or not pairs:
        return None
    columns = min(3, len(pairs))
    lines = -(-len(pairs) // columns)
    picture = style.figure(3.5 * columns + 0.4 if columns > 1 else 5.2, 3.2 * lines + 0.5)
    with style.rc_context():
        panels = picture.subplots(lines, columns, squeeze=False).ravel()
        for axes, (x, y) in zip(panels, pairs, strict=False):
            _projection(axes, data, x, y)
        for axes in panels[len(pairs) :]:
            axes.set_visible(False)
        handles, names = panels[0].get_legend_handles_labels()
        picture.legend(handles, names, loc="outside upper center", ncols=3)
    return picture


def _projection(axes: Axes, data: ReportData, x: Objective, y: Objective) -> None:
    behind, front = _values(data.valued, x, y), _values(data.frontier, x, y)
    axes.plot(*behind.T, "o", color=style.EVALUATED, ms=2.5, alpha=0.6, mew=0, label=f"evaluated ({len(behind)})")
    size = 4.5 if len(front) <= 60 else 3.2
    _points(axes, data.frontier, x, y, "frontier", fmt="o", ms=size, mec="white", mew=0.4, c=style.FRONTIER, zorder=3)
    _points(
        axes, data.baseline, x, y, "scaled baseline", fmt="s--", ms=4, mfc="none", c=style.BASELINE, lw=1.1, zorder=4
    )
    if len(data.objectives) == 2:
        order = np.argsort(front[:, 0])
        axes.step(*front[order].T, where="post" if x.minimise else "pre", color=style.FRONTIER, lw=0.9, alpha=0.7)
    everything = np.concatenate([behind, _values(data.baseline, x, y)])
    for which, objective, column in (("x", x, 0), ("y", y, 1)):
        style.scale_axis(axes, which, everything[:, column])
        axes.set(**{f"{which}label": style.axis_label(objective)})


def _points(axes: Axes, found: Sequence[Evaluation], x: Objective, y: Objective, name: str, **look: Any) -> None:
    """Evaluations as markers, with error bars along the axes whose objective has a spread."""
    known = [e for e in found if e.values([x, y]) is not None]
    if known:
        bars: dict[str, Any] = {"xerr": _errors(known, x), "yerr": _errors(known, y)}
        look |= {key: errors for key, errors in bars.items() if errors.any()}
        axes.errorbar(*_values(known, x, y).T, **look, elinewidth=1.0, capsize=1.5, label=f"{name} ({len(known)})")


def savings(found: Sequence[Comparison]) -> Figure | None:
    """Ratio of baseline cost to the architecture's own against decoder parameters, one panel a cost."""
    if not found:
        return None
    picture = style.figure(4.4 * len(found) + 0.3, 3.5)
    with style.rc_context():
        panels = picture.subplots(1, len(found), squeeze=False).ravel()
        for axes, comparison in zip(panels, found, strict=True):
            _savings(axes, comparison)
        handles, names = panels[0].get_legend_handles_labels()
        picture.legend(handles, names, loc="outside upper center", ncols=4)
    return picture


def _savings(axes: Axes, comparison: Comparison) -> None:
    middle = median(comparison.leaders)[0]
    axes.axhline(1, color=style.BASELINE, ls="--", lw=1.1, label="scaled baseline")
    axes.axhline(middle, color=style.FRONTIER, lw=1.0, alpha=0.6, label="median of the best")
    for leader, face, name in ((False, "white", "on the frontier"), (True, style.FRONTIER, "best at its size")):
        chosen = [r for r in comparison.ratios if r.leader is leader]
        if chosen:
            value, low, high = np.array([(r.value, r.low, r.high) for r in chosen]).T
            options: dict[str, Any] = {"fmt": "o", "ms": 4, "mew": 0.8, "elinewidth": 0.9, "capsize": 1.5}
            sizes = [r.decoder_params for r in chosen]
            axes.errorbar(sizes, value, (value - low, high - value), **options, mfc=face, c=style.FRONTIER, label=name)
    style.scale_axis(axes, "x", [r.decoder_params for r in comparison.ratios])
    axes.set(xlabel=label(AXIS), ylabel=comparison.title)
    axes.set_title(f"{label(comparison.cost)}: up to {comparison.best.value:.2f}x, median {middle:.2f}x")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}x")
    axes.margins(y=0.1)


def hypervolume(data: ReportData) -> Figure | None:
    """Hypervolume over evaluations as a share of the final one; the baseline's beside."""
    steps = data.progress
    if not steps:
        return None
    picture = style.figure(5.2, 3.2)
    with style.rc_context():
        axes = picture.subplots()
        done, share = zip(*steps, strict=True)
        axes.step(done, np.array(share) * 100, where="post", color=style.FRONTIER, label="search")
        beside = data.baseline_share
        if beside is not None:
            name = f"scaled baseline ({len(data.baseline)})"
            axes.axhline(beside * 100, color=style.BASELINE, ls="--", lw=1.1, label=name)
        axes.set(xlabel="evaluations", ylabel="hypervolume (% of the final)", ylim=(0, 104), xlim=(0, done[-1]))
        axes.legend(loc="lower right")
    return picture


def profile(data: ReportData) -> Figure | None:
    """Depth and width of the frontier's architectures: inner size and heads of every layer, width, first objective."""
    shown = evenly([e for e in data.frontier if hasattr(e.candidate, "d_inner")], COLUMNS)
    if not shown:
        return None
    count, first = len(shown), data.objectives[0]
    part = f"{count} of the {len(data.frontier)} architectures" if count < len(data.frontier) else "architectures"
    inner, heads = layers([e.candidate.d_inner for e in shown]), layers([e.candidate.n_head for e in shown])
    picture = style.figure(min(12.0, max(6.0, 2.6 + 0.22 * count)), 7.2)
    with style.rc_context():
        panels = picture.subplots(4, 1, sharex=True, height_ratios=(1.0, 0.8, 1.7, 1.7))
        rank = np.arange(1, count + 1)
        values = _values(shown, first, first)[:, 0]
        panels[0].plot(rank, values, "o", color=style.FRONTIER, ms=4)
        style.scale_axis(panels[0], "y", values)
        panels[0].set_title(label(first))
        panels[1].bar(rank, [e.candidate.d_model for e in shown], color=style.SKY, width=0.7)
        panels[1].set_title("width: d_model")
        for axes, table, name in ((panels[2], inner, "d_inner"), (panels[3], heads, "heads")):
            _heat(picture, axes, table, name)
        panels[3].set(xlabel=f"{part} on the frontier, best {label(first)} first", xlim=(0.4, count + 0.6))
        panels[3].xaxis.get_major_locator().set_params(integer=True)
    return picture


def _heat(picture: Figure, axes: Axes, table: np.ndarray, name: str) -> None:
    """One column an architecture, layer 1 on top; no cell where the network is shallower."""
    import matplotlib as mpl
    from matplotlib.colors import BoundaryNorm, Normalize
    from matplotlib.ticker import MaxNLocator

    depth, count = table.shape
    choices = np.unique(table[~np.isnan(table)])
    norm: Normalize = Normalize(float(choices[0]), float(choices[-1]))
    if 1 < len(choices) <= 6:
        edges = np.concatenate([[choices[0] - 1], (choices[1:] + choices[:-1]) / 2, [choices[-1] + 1]])
        norm = BoundaryNorm(edges, mpl.colormaps[style.HEAT].N)
    extent = (0.5, count + 0.5, depth + 0.5, 0.5)
    image = axes.imshow(table, aspect="auto", extent=extent, cmap=style.HEAT, norm=norm, interpolation="none")
    axes.grid(visible=False)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set(ylabel="layer")
    axes.set_title(f"{name} of each layer")
    bar = picture.colorbar(image, ax=axes, pad=0.01, aspect=12)
    bar.outline.set_visible(False)
    if isinstance(norm, BoundaryNorm):
        bar.set_ticks((norm.boundaries[1:] + norm.boundaries[:-1]) / 2, labels=[short(c) for c in choices])
        bar.ax.tick_params(length=0)
        bar.ax.minorticks_off()


def layers(values: Sequence[Sequence[int]]) -> np.ndarray:
    """Per-layer values as (deepest, N), NaN below the last layer of each.

    >>> layers([(1, 2), (3,)]).tolist()
    [[1.0, 3.0], [2.0, nan]]
    """
    table = np.full((max(map(len, values)), len(values)), np.nan)
    for column, entries in enumerate(values):
        table[: len(entries), column] = entries
    return table


def _values(evaluations: Sequence[Evaluation], x: Objective, y: Objective) -> np.ndarray:
    rows = [row for e in evaluations if (row := e.values([x, y])) is not None]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2)


def _errors(evaluations: Sequence[Evaluation], objective: Objective) -> np.ndarray:
    """Distances below and above the values, (2, N)."""
    found = [e.measurements[objective.name] for e in evaluations]
    ends = np.array([[bound(m, end) for m in found] for end in (-1, 0, 1)])
    return np.abs(ends[[0, 2]] - ends[1])
