"""The figure of a speed-up experiment: losses over processor time and steps, and factors with their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewind.reports import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COUNTS = {"steps": "steps", "flops": "operations", "cpu_seconds": "processor time"}


def figure(found: dict[str, Any]) -> Figure:
    """A row a size: mean loss over steps, the same over processor seconds, and the factors with 95% intervals."""
    from matplotlib.figure import Figure

    sizes = found["sizes"]
    with style.rc_context():
        picture = Figure(figsize=(11, 3.4 * len(sizes)), layout="constrained")
        grid = picture.subplots(len(sizes), 3, squeeze=False)
        for axes, (size, table) in zip(grid, sizes.items(), strict=True):
            for i, (block, row) in enumerate(table["blocks"].items()):
                colour = f"C{i}"
                steps = np.array(row["curves"][0]["steps"])
                shortest = min(len(curve["losses"]) for curve in row["curves"])
                losses = np.array([curve["losses"][:shortest] for curve in row["curves"]])
                for panel, x in ((axes[0], steps), (axes[1], steps * row["cpu_seconds_per_step"])):
                    panel.plot(x[:shortest], losses.mean(axis=0), color=colour, lw=1.2, label=block)
                    panel.fill_between(
                        x[:shortest], losses.min(axis=0), losses.max(axis=0), color=colour, alpha=0.15, lw=0
                    )
                for j, count in enumerate(COUNTS):
                    one = row[f"factor_{count}"]
                    around = [[max(0.0, one["value"] - one["low"])], [max(0.0, one["high"] - one["value"])]]
                    axes[2].errorbar(
                        one["value"],
                        -i - 0.22 * (j - 1),
                        xerr=around,
                        color=colour,
                        fmt="os^"[j],
                        ms=4,
                        lw=1,
                        capsize=2,
                    )
            axes[0].set(xlabel="steps", ylabel=f"{size}: validation nats a token", xscale="log")
            axes[1].set(xlabel="processor seconds", xscale="log")
            axes[0].legend(fontsize=7, frameon=False)
            axes[2].axvline(1.0, color="0.6", lw=0.8)
            blocks = list(table["blocks"])
            axes[2].set_yticks([-i for i in range(len(blocks))], blocks)
            axes[2].set(xlabel="factor: steps (circle), operations (square), processor time (triangle)")
        return picture


def write_figure(found: dict[str, Any], path: Path) -> None:
    """Write the figure as PNG."""
    with style.rc_context():
        figure(found).savefig(path, dpi=110)
