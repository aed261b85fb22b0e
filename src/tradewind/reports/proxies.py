"""The figure of `tradewind proxies`: each proxy against perplexity after training, one panel a proxy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.reports import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4


def write(facts: Mapping[str, Any], path: Path) -> Path:
    """Draw the facts of ``proxies.json`` as PNG."""
    return style.save(draw(facts), path)


def draw(facts: Mapping[str, Any]) -> Figure:
    """Perplexity after training (lower is better) over each proxy (more is better); a bar joins two seeds."""
    rows = [row for row in facts["rows"] if row["losses"][0] is not None]
    lines = -(-len(facts["proxies"]) // COLUMNS)
    picture = style.figure(2.5 * COLUMNS, 2.3 * lines)
    with style.rc_context():
        panels = picture.subplots(lines, COLUMNS, squeeze=False, sharey=True).ravel()
        for axes in panels[len(facts["proxies"]) :]:
            axes.set_visible(False)
        for axes, (name, found) in zip(panels, facts["proxies"].items(), strict=False):
            scores = [row["proxies"][name]["value"] for row in rows]
            first = [math.exp(row["losses"][0]) for row in rows]
            for x, row in zip(scores, rows, strict=True):
                seeds = [math.exp(loss) for loss in row["losses"] if loss is not None]
                axes.plot([x, x], [min(seeds), max(seeds)], color=style.GREY, linewidth=1.0)
            axes.scatter(scores, first, s=12, color=style.BLUE, zorder=3)
            style.scale_axis(axes, "x", scores)
            spearman = found["metrics"]["spearman"]["value"]
            axes.set_title(name if spearman is None else f"{name}  ρ = {spearman:.2f}")
        for axes in panels[::COLUMNS]:
            axes.set_ylabel("perplexity after training")
    return picture
